import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { CrashSummary } from '../../packages/cli/src/crash-test/summary.ts';
import { opspawn } from './opspawn-process.ts';

const config = fileURLToPath(new URL('opspawn.config.ts', import.meta.url));
const cwd = mkdtempSync(join(tmpdir(), 'opspawn-cli-'));
after(() => rmSync(cwd, { recursive: true }));

const crashTest = (...args: string[]) => opspawn(['crash-test', ...args, '--config', config], { cwd });

describe('opspawn crash-test', () => {
  it('finds that an agent holds, and where its effects were in doubt', async () => {
    const { code, stdout, stderr } = await crashTest('clerk', 'add them', '--json');
    assert.equal(code, 0, stdout + stderr);
    const { kills, boundaries, effects, lost, repeated, silent, inDoubt, passed } = JSON.parse(
      stdout,
    ) as CrashSummary;
    assert.deepEqual([lost, repeated, silent, passed], [[], [], [], true]);
    assert.equal(effects, 1);
    assert.equal(kills, 2 * boundaries + effects);
    assert.deepEqual(Object.keys(inDoubt), ['add']);
    // After the intent, before the result, and in the middle of the tool; and after the model's answer, where a run wrote
    // both at once that the run without a crash wrote one by one.
    assert.ok(inDoubt.add === 3 || inDoubt.add === 4, `${inDoubt.add} in doubt`);
  });

  it('finds requests that come out of their turn, and exits with 1', async () => {
    const { code, stdout } = await crashTest('unruly', '--max-boundaries', '1');
    assert.equal(code, 1, stdout);
    assert.match(stdout, /^requests out of turn +[1-9]/m);
    assert.match(stdout, /outOfTurn, killed (?:before|after) the write of entry \d/);
    assert.match(stdout, /Did not hold\.$/m);
  });

  it('goes on where a signal is needed, when it is given', async () => {
    const waiting = await crashTest('patient', '--max-boundaries', '1', '--json');
    assert.match(waiting.stderr, /It is waiting for signal go after \d writes/);
    assert.equal(waiting.code, 0, waiting.stdout);
    const { code, stdout, stderr } = await crashTest(
      'patient',
      '--max-boundaries',
      '2',
      '--signal',
      'go={"n":1}',
      '--json',
    );
    assert.match(stderr, /It is completed after/);
    assert.equal(code, 0, stdout);
    assert.deepEqual((JSON.parse(stdout) as CrashSummary).differing, []);
  });

  it('asks before it uses a model that costs money', async () => {
    const { code, stderr } = await crashTest('paid', 'x');
    assert.equal(code, 2);
    assert.match(
      stderr,
      /paid uses openai\/gpt-5\.4-mini, and a crash test runs it dozens of times.*\n.*--yes/,
    );
  });

  it('says how the run failed when it does without a crash', async () => {
    const { code, stderr } = await crashTest('nobody');
    assert.equal(code, 4);
    assert.match(
      stderr,
      /The config defines no agent, function or workflow "nobody" \[not_found\]\nIt defines: agent clerk/,
    );
    const mistaken = await crashTest('greet', '{}');
    assert.equal(mistaken.code, 2);
    assert.match(
      mistaken.stderr,
      /^error: \/input\/who of the function "greet" must have .* \[invalid_argument\]$/m,
    );
  });
});
