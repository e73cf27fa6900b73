import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const bubblewrap = process.env.OPSPAWN_TEST_BUBBLEWRAP;
const skip = bubblewrap === undefined && 'bubblewrap is missing';
const script = fileURLToPath(new URL('../../../test/process/sandbox-machine.ts', import.meta.url));

/** The programs without which no tool is run in a process of its own. */
const kept = ['/usr/bin/setpriv', '/usr/bin/prlimit'].filter((path) => existsSync(path));

/** Runs it on this machine, as it would be if bubblewrap were not installed: with another folder in place of its programs. */
function runWithoutBubblewrap(witness: string): {
  said: { output?: string; code?: string; message?: string };
  sandbox: { isAvailable: boolean; detail: string };
  hasRun: boolean;
} {
  const machine = [
    ...['--dev-bind', '/', '/', '--tmpfs', '/usr/bin'],
    ...kept.flatMap((path) => ['--ro-bind', path, path]),
  ];
  const { stdout, stderr } = spawnSync(
    bubblewrap ?? '',
    [...machine, '--', realpathSync(process.execPath), script, witness],
    { encoding: 'utf8', timeout: 300_000, env: { PATH: '/usr/bin:/bin' } },
  );
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout);
}

describe('the sandbox tier on a machine without bubblewrap', { skip }, () => {
  it('runs nothing with less around it, and says what to install', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'opspawn-sandbox-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const { said, sandbox, hasRun } = runWithoutBubblewrap(join(folder, 'witness'));
    const wanted = /The sandbox tier needs bwrap: install bubblewrap \(apt install bubblewrap\)/;
    assert.match(said.output ?? said.message ?? '', wanted);
    assert.equal(sandbox.isAvailable, false);
    assert.match(sandbox.detail, wanted);
    assert.equal(hasRun, false);
  });
});
