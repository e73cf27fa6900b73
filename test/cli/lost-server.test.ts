import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { command, opspawn, startOpspawn } from './opspawn-process.ts';

const config = fileURLToPath(new URL('opspawn.config.ts', import.meta.url));

it('watching says that the server is lost while it tries again, and can be stopped', async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'opspawn-lost-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  await using server = await startOpspawn<{ url: string }>(['start', '--port', '0', '--config', config], {
    cwd,
  });
  const env = { OPSPAWN_URL: server.facts.url };
  const id = (await opspawn(['run', 'patient', '--detach'], { cwd, env })).stdout.trim();
  const watching = spawn(process.execPath, [command, 'task', 'watch', id], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  let isStopped = false;
  watching.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (/is lost; trying again/.test(said)) {
      if (!isStopped) watching.kill('SIGINT');
      isStopped = true;
    } else if (/waits for signal go/.test(said)) server.child.kill('SIGKILL');
  });
  const [code] = (await once(watching, 'close')) as [number | null];
  assert.match(said, /The connection to the server is lost; trying again …\nStopped watching/);
  assert.equal(code, 0);
});
