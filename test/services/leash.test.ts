import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

const leashed = `
  import { spawn } from 'node:child_process';
  import { leash } from ${JSON.stringify(new URL('../../scripts/services/leash.ts', import.meta.url).href)};
  const server = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' });
  leash(server, -server.pid);
  console.log(server.pid);
`;

/** Whether any process of the group is there. */
function isThere(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
}

it('a server on a leash goes with who started it, killed without a word', async () => {
  const owner = spawn(process.execPath, ['--input-type=module', '-e', leashed], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = (await once(owner.stdout, 'data')) as [Buffer];
  const group = Number(String(said));
  // Time for a leash that does not hold.
  await sleep(300);
  assert.ok(isThere(group));
  owner.kill('SIGKILL');
  while (isThere(group)) await sleep(20);
});
