/** A Redis of its own, with a log that is synced once a second: what the benchmarks' peer is run on. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { answersOn } from './answers-on.ts';
import { canInstallByApt, installByApt } from './apt.ts';
import { findFreePort } from './free-port.ts';
import { type ServiceKind, ServiceMissing } from './service.ts';

const startTimeoutMs = 30_000;
const isInstalled = (): boolean => spawnSync('redis-server', ['--version']).status === 0;

export const redis: ServiceKind = {
  variable: 'OPSPAWN_BENCH_REDIS_URL',
  isForBenchmarks: true,
  async start(folder) {
    if (!isInstalled() && canInstallByApt()) await installByApt(['redis-server']);
    if (!isInstalled())
      throw new ServiceMissing(
        'Redis was not found. Install it (Debian and Ubuntu: apt-get install redis-server; macOS: brew install redis)',
      );
    const port = await findFreePort();
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes'];
    const server = spawn('redis-server', [...args, '--appendfsync', 'everysec', '--save', ''], {
      stdio: 'ignore',
      detached: true,
    });
    for (
      const giveUpAt = performance.now() + startTimeoutMs;
      !(await answersOn(port, 'PING\r\n'));
      await sleep(20)
    ) {
      if (server.exitCode !== null || performance.now() > giveUpAt) throw new Error('Redis did not start');
    }
    return { url: `redis://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => end(server) };
  },
};

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, 'exit');
  server.kill('SIGKILL');
  await exited;
}
