import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { command } from '../cli/opspawn-process.ts';

const demo = fileURLToPath(new URL('../../scripts/demo.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'opspawn-demo-test-'));
after(() => rmSync(folder, { recursive: true }));

interface Shown {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Without the keys that would make it use a real model. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:OPSPAWN_|AGENTKIT_|NODE_TEST_)|_API_KEY$/.test(name),
  );
  return { ...Object.fromEntries(kept), INIT_CWD: folder };
}

function start(file: string, args: readonly string[]): { child: ChildProcess; shown: Promise<Shown> } {
  const child = spawn(process.execPath, [file, ...args], {
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const shown = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      shown[name] += text;
    });
  }
  return { child, shown: once(child, 'close').then(([code]) => ({ code: code as number | null, ...shown })) };
}

const show = (...args: string[]): Promise<Shown> => start(demo, args).shown;

/** Neither the server and the workers that were named, nor what they started for the folder. */
function assertGone(stdout: string): void {
  const pids = [...stdout.matchAll(/\(pid (\d+)\)/g)].map(([, pid]) => Number(pid));
  assert.ok(pids.length >= 2, stdout);
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, `${pid} is left`);
}

describe('the demo', { concurrency: 2 }, () => {
  it('kills the worker in the middle of tools, and ends with the report, tokens, cost and a command that works', async () => {
    const { code, stdout, stderr } = await show('--data', 'data folder');
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /scripted\/folder-report: rules, no LLM/);
    assert.match(stdout, /✖ SIGKILL to the worker \(pid \d+\) in the middle of: \w+ \S/);
    assert.match(stdout, /Recorded so far: \d × model turn, 6 × list_directory_with_sizes/);
    // Where exactly it is killed is a matter of how fast the machine is.
    const recorded = Number(/Steps 1 to (\d+) come from the journal\./.exec(stdout)?.[1]);
    assert.ok(recorded >= 9 && recorded < 30, stdout);
    assert.match(stdout, /\n# Folder report\n\n14 files in 6 folders, 9\.3 KB in all\./);
    assert.match(stdout, /\| \.py \| 3 \| 2\.5 KB \| 868 B \| 2 \|/);
    assert.match(stdout, /- `shop\/prices\.py:16` say something better/);
    assert.match(stdout, /tokens {2}\d+ in, \d+ out\n {2}cost {4}\$0\.0000/);
    assert.ok(
      stdout.includes(`30 recorded: ${recorded} by the first worker, ${30 - recorded} by the second`),
      stdout,
    );
    assert.match(stdout, /✔ No recorded step ran twice\./);
    assertGone(stdout);
    const [, taskId = '', dataDir = ''] = /npx opspawn task journal (\S+) --data '(.*)'/.exec(stdout) ?? [];
    const journal = await start(command, ['task', 'journal', taskId, '--data', dataDir]).shown;
    assert.equal(journal.code, 0, journal.stderr);
    assert.equal(journal.stdout.trimEnd().split('\n').length, 32);
  });

  it('reports on any folder: odd names, binary files, links that lead nowhere or outside', async () => {
    const odd = join(folder, 'odd names');
    mkdirSync(join(odd, 'node_modules'), { recursive: true });
    writeFileSync(join(odd, 'line\nbreak.txt'), '// TODO: mend | this\n');
    writeFileSync(join(odd, 'ünïcödé 漢字.md'), 'fine');
    writeFileSync(join(odd, '~home.txt'), 'no home');
    writeFileSync(join(odd, 'binary.txt'), Buffer.from([0, 255, 254, 0, 1, 200]));
    symlinkSync('/etc/passwd', join(odd, 'outside.txt'));
    symlinkSync('nowhere', join(odd, 'dangling.md'));
    symlinkSync('.', join(odd, 'loop'));
    const { code, stdout, stderr } = await show('odd names');
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /- `line\\x0abreak\.txt:1` mend \| this/);
    assert.match(stdout, /- `binary\.txt` is no text/);
    assert.match(stdout, /- `outside\.txt` could not be read: Access denied/);
    assert.match(stdout, /- `node_modules` is skipped/);
    assert.match(stdout, /✔ No recorded step ran twice\./);
  });

  it('reports on an empty folder', async () => {
    mkdirSync(join(folder, 'empty'));
    const { code, stdout, stderr } = await show('empty');
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /The folder holds no files\./);
  });

  it('refuses a path that is no folder with 2', async () => {
    writeFileSync(join(folder, 'file'), '');
    for (const [path, message] of [
      ['missing', /missing does not exist/],
      ['file', /file is no folder/],
    ] as const) {
      const { code, stdout, stderr } = await show(path);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, message);
    }
  });

  it('leaves no process behind when it is interrupted', async () => {
    const { child, shown } = start(demo, []);
    let said = '';
    child.stdout?.on('data', (text: string) => {
      const wasThere = said.includes('model  turn 2');
      said += text;
      if (!wasThere && said.includes('model  turn 2')) child.kill('SIGINT');
    });
    const { code, stdout } = await shown;
    assert.equal(code, 130);
    assertGone(stdout);
  });
});
