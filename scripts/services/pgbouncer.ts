/** A PgBouncer before a PostgreSQL that runs already: tests look what a pooler does to its clients. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { canInstallByApt, installByApt } from './apt.ts';
import { findFreePort } from './free-port.ts';
import { unprivilegedUser } from './postgres.ts';
import { type RunningService, ServiceMissing } from './service.ts';

const startTimeoutMs = 30_000;
const isInstalled = (): boolean => spawnSync('pgbouncer', ['--version']).status === 0;

/** Throws `ServiceMissing`. `target` is the URL of a database; the one that is given leads to the same through the pooler. */
export async function startPgBouncer(
  target: string,
  poolMode: 'session' | 'transaction',
): Promise<RunningService> {
  if (!isInstalled() && canInstallByApt()) await installByApt(['pgbouncer']);
  if (!isInstalled())
    throw new ServiceMissing(
      'PgBouncer was not found. Install it (Debian and Ubuntu: apt-get install pgbouncer)',
    );
  const url = new URL(target);
  const folder = mkdtempSync(join(tmpdir(), 'opspawn-pgbouncer-'));
  const port = await findFreePort();
  const owner = unprivilegedUser();
  const settings = join(folder, 'pgbouncer.ini');
  const users = join(folder, 'users.txt');
  writeFileSync(users, `"${url.username}" "${url.password}"\n`);
  writeFileSync(
    settings,
    `[databases]\n* = host=${url.hostname} port=${url.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}
unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = ${users}\npool_mode = ${poolMode}\n`,
  );
  for (const path of [folder, settings, users])
    if (owner.uid !== undefined) chownSync(path, owner.uid, owner.gid ?? owner.uid);
  const pooler = spawn('pgbouncer', [settings], { stdio: 'ignore', ...owner });
  const exited = once(pooler, 'exit');
  const giveUpAt = performance.now() + startTimeoutMs;
  while (!(await takesConnections(port))) {
    if (pooler.exitCode !== null || performance.now() > giveUpAt) throw new Error('PgBouncer did not start');
    await sleep(20);
  }
  url.port = String(port);
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      pooler.kill('SIGKILL');
      await exited;
      rmSync(folder, { recursive: true });
    },
  };
}

async function takesConnections(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
