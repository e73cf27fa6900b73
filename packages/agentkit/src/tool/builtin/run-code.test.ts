import assert from 'node:assert/strict';
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { Json } from '../../json.ts';
import { createProcessPool } from '../process/create-process-pool.ts';
import type { Tools } from '../tool.ts';
import { createToolManager } from '../tool-manager.ts';
import { type RunCodeOptions, runJavascript, runShell } from './run-code.ts';

const skip = process.env.OPSPAWN_TEST_BUBBLEWRAP === undefined && 'bubblewrap is missing';

describe('code that a model wrote', { skip, concurrency: 2 }, () => {
  const processes = createProcessPool();
  const folder = mkdtempSync(join(tmpdir(), 'opspawn-run-code-'));
  if (process.getuid?.() === 0) chownSync(folder, 65_534, 65_534);
  after(async () => {
    await processes[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  async function call(tools: Tools, tool: string, input: Json): Promise<Json | undefined> {
    const prepared = await createToolManager({ tools, processes }).prepare({ callId: 'c', tool, input });
    assert.ok('execute' in prepared, JSON.stringify(prepared));
    const { signal } = new AbortController();
    return (await prepared.execute({
      ...{ callId: 'c', tool, input: prepared.input, idempotencyKey: 'k', signal, progress: () => {} },
    })) as Json | undefined;
  }
  const javascript = (code: string, input: Json = null, options: RunCodeOptions = {}) =>
    call({ it: runJavascript(options) }, 'it', { code, input });
  const shell = (command: string, stdin = '', options: RunCodeOptions = {}) =>
    call({ it: runShell(options) }, 'it', { command, stdin });

  it('gives what JavaScript returns and prints, and takes input', async () => {
    const code = `console.log('sum of', input); return input.reduce((a, b) => a + b);`;
    assert.deepEqual(await javascript(code, [1, 2, 39]), { value: 42, output: 'sum of [ 1, 2, 39 ]\n' });
    assert.deepEqual(await javascript('return new Map([[1, 2n]])'), { value: 'Map(1) { 1 => 2n }' });
    assert.deepEqual(await javascript(''), {});
  });

  it('tells a model what is wrong with its JavaScript', async () => {
    assert.deepEqual(await javascript('const a = 1;\nreturn a + b;'), {
      error: 'ReferenceError: b is not defined (line 2)',
    });
    assert.match(JSON.stringify(await javascript('return 1 +')), /SyntaxError/);
    const refused = await javascript(`return (await import('node:fs')).readFileSync('/etc/passwd')`);
    assert.match(JSON.stringify(refused), /restricted|ENOENT/);
  });

  it('cuts what is printed without end', async () => {
    const printed = await javascript(
      `for (let i = 0; i < 50_000; i++) console.log('x'.repeat(10)); return 1;`,
    );
    const { value, output, isCut } = printed as { value: number; output: string; isCut: boolean };
    assert.deepEqual([value, output.length, isCut], [1, 32_000, true]);
  });

  it('gives a command’s exit code and output, and takes input', async () => {
    assert.deepEqual(await shell('wc -c; echo oops >&2; exit 3', 'four'), {
      ...{ exitCode: 3, stdout: '4\n', stderr: 'oops\n' },
    });
    const cut = (await shell('yes | head -c 200000')) as { stdout: string; isCut: boolean };
    assert.deepEqual([cut.stdout.length, cut.isCut], [65_536, true]);
    assert.deepEqual(await shell('kill -9 $$'), { signal: 'SIGKILL', stdout: '', stderr: '' });
  });

  it('works in the folder that it may change, and is no reading tool then', async () => {
    const options = { write: [folder] };
    assert.deepEqual(await shell('pwd; echo made > by-shell', '', options), {
      ...{ exitCode: 0, stdout: `${folder}\n`, stderr: '' },
    });
    assert.equal(readFileSync(join(folder, 'by-shell'), 'utf8'), 'made\n');
    writeFileSync(join(folder, 'given'), '41');
    const code = `const fs = await import('node:fs'); return 1 + Number(fs.readFileSync('given', 'utf8'));`;
    assert.deepEqual(await javascript(code, null, options), { value: 42 });
    const effectOf = async (tools: Tools) => {
      const prepared = await createToolManager({ tools }).prepare({
        callId: 'c',
        tool: 'it',
        input: { command: '' },
      });
      return 'effect' in prepared ? prepared.effect : undefined;
    };
    assert.equal(await effectOf({ it: runShell(options) }), 'once');
    assert.equal(await effectOf({ it: runShell() }), 'read');
  });

  it('is refused when its access cannot be given', async () => {
    const options = { read: [join(folder, 'no-such-folder')] };
    await assert.rejects(javascript('return 1', null, options), { code: 'config_invalid' });
  });
});
