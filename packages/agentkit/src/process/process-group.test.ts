import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { groupMembers, leftOf, processTree, until } from '../../test/mcp/processes.ts';
import { ProcessGroup } from './process-group.ts';

const env = { PATH: process.env.PATH ?? '' };
const shell = (script: string): ProcessGroup =>
  new ProcessGroup({ command: 'sh', args: ['-c', script], env });

describe('process group', { timeout: 300_000 }, () => {
  it('runs a command with its arguments, its pipes and only the environment that it is given', async () => {
    const group = new ProcessGroup({
      command: 'sh',
      args: ['-c', 'cat; echo "$1" $A; env | sort >&2', 'x', 'a  b'],
      env: { ...env, A: '1' },
    });
    const [out, log] = [text(group.stdout), text(group.stderr)];
    group.stdin.end('hello ');
    assert.equal(await group.ended, 'exited with code 0');
    assert.equal(await out, 'hello a  b 1\n');
    assert.deepEqual(
      (await log).split('\n').map((line) => line.split('=')[0]),
      ['A', 'PATH', 'PWD', ''],
    );
  });

  it('tells how the command ended', async () => {
    assert.equal(await shell('exit 7').ended, 'exited with code 7');
    assert.equal(await shell('kill -9 $$').ended, 'was killed by SIGKILL');
    assert.equal(
      await new ProcessGroup({ command: '/no/such', args: [], env }).ended,
      'exited with code 127',
    );
    const nowhere = new ProcessGroup({ command: 'sh', args: [], env, cwd: '/no/such' });
    assert.match(await nowhere.ended, /^could not be started: /);
    await nowhere.stop(0);
  });

  it('leaves nothing that the command started, when it ends by itself', async () => {
    const group = shell('sleep 1000 & sleep 1000 >/dev/null 2>&1 & exit 0');
    await group.ended;
    await until(() => groupMembers(group.pid ?? 0).length === 0);
  });

  it('reads all that a command wrote before it ended', async () => {
    const group = shell('head -c 3000000 /dev/zero | tr "\\0" x');
    const out = text(group.stdout);
    await group.ended;
    assert.equal((await out).length, 3_000_000);
  });

  it('stops with SIGTERM what listens to it', async () => {
    const group = shell('trap "echo bye; exit 0" TERM; echo ready; while :; do sleep 0.01; done');
    const out = text(group.stdout);
    await once(group.stdout, 'readable');
    await group.stop(30_000);
    assert.equal(await out, 'ready\nbye\n');
    assert.deepEqual(groupMembers(group.pid ?? 0), []);
  });

  it('kills after the grace what does not listen, with all that it started', async () => {
    const group = shell('trap "" TERM HUP; (trap "" TERM; sleep 1000) & echo ready; sleep 1000; sleep 1000');
    await once(group.stdout, 'readable');
    await group.stop(20);
    assert.equal(await group.ended, 'was killed by SIGKILL');
    await until(() => groupMembers(group.pid ?? 0).length === 0);
  });

  it('stops what left the group, also when the command ends by itself as it was told', {
    skip: process.platform !== 'linux',
  }, async () => {
    const group = shell(
      'trap "exit 0" TERM; setsid sleep 1000 >/dev/null 2>&1 & echo ready; while :; do sleep 0.01; done',
    );
    await once(group.stdout, 'readable');
    const isAway = ({ command }: { command: string }): boolean => command === 'sleep 1000';
    await until(() => processTree(group.pid ?? 0).some(isAway));
    const away = processTree(group.pid ?? 0).filter(isAway);
    await group.stop(30_000);
    await until(() => leftOf(away).length === 0);
  });

  it('does not wait for what left the group but holds its pipes', async () => {
    const group = shell('setsid sleep 3 & exit 0');
    assert.equal(await group.ended, 'exited with code 0');
  });

  it('never outlives the process that started it, however that ends', async () => {
    const module = new URL('./process-group.ts', import.meta.url);
    const ends = [
      'process.kill(process.pid, "SIGKILL")',
      'process.exit(1)',
      'throw new Error()',
      // in the grace of a stop
      'group.stop(60_000); setTimeout(() => process.kill(process.pid, "SIGKILL"), 50)',
    ];
    for (const end of ends) {
      const script = `
        import { ProcessGroup } from ${JSON.stringify(module.href)};
        const env = { PATH: process.env.PATH };
        const args = ['-c', 'trap "" TERM HUP; (trap "" TERM HUP; sleep 1000) & sleep 1000; sleep 1000'];
        const group = new ProcessGroup({ command: 'sh', args, env });
        process.stdout.write(String(group.pid), () => { ${end} });`;
      const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const pid = Number(await text(parent.stdout));
      assert.ok(pid > 0);
      await until(() => groupMembers(pid).length === 0);
    }
  });

  it('does not outlive it either when it was told to stop while it was starting', async () => {
    const module = new URL('./process-group.ts', import.meta.url);
    const script = `
      import { ProcessGroup } from ${JSON.stringify(module.href)};
      const options = { command: 'sh', args: ['-c', 'trap "" TERM; sleep 1000; sleep 1000'], env: { PATH: process.env.PATH } };
      const groups = Array.from({ length: 40 }, (_, index) => {
        const group = new ProcessGroup(options);
        const startedAt = performance.now();
        while (performance.now() < startedAt + index / 10);
        group.stop(60_000);
        return group;
      });
      process.stdout.write(groups.map(({ pid }) => pid).join());
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), 500);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pids = (await text(parent.stdout)).split(',').map(Number);
    assert.equal(pids.length, 40);
    await until(() => pids.every((pid) => groupMembers(pid).length === 0));
  });
});
