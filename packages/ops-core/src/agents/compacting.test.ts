import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../../test/opspawn.ts';

const script = fileURLToPath(new URL('../../test/agents/compacting-process.ts', import.meta.url));

function run(folder: string, moment: string) {
  const { stdout, stderr, signal } = spawnSync(process.execPath, [script, folder, moment], {
    encoding: 'utf8',
    timeout: 300_000,
    env: { PATH: process.env.PATH },
  });
  return { stdout, stderr, signal };
}

/** The result of a run that is killed at that moment and taken over by another process. */
function killedAt(t: TestContext, moment: string): unknown {
  const folder = temporaryFolder(t);
  if (moment !== 'never') {
    const { signal, stdout, stderr } = run(folder, moment);
    assert.equal(signal, 'SIGKILL', stdout + stderr);
  }
  const { stdout, stderr } = run(folder, 'never');
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout);
}

describe('an agent whose conversation is summarised', () => {
  let whole: unknown;

  it('has the summary in its journal and its usage', (t) => {
    whole = killedAt(t, 'never');
    const { status, completed } = whole as { status: string; completed: string[] };
    assert.equal(status, 'completed');
    assert.ok(completed.some((name) => name.startsWith('compact:')));
    assert.equal(new Set(completed).size, completed.length);
  });

  for (const moment of ['before', 'after']) {
    it(`goes on with the same bytes when it is killed ${moment} the write of a summary`, (t) => {
      assert.deepEqual(killedAt(t, moment), whole);
    });
  }
});
