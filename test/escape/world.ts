/** What there is to break into: files, sockets and processes of this machine that no sandbox was given. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Given } from './attempt.ts';

export interface World extends AsyncDisposable {
  given: Given;
  /** How often something reached one of our sockets. */
  readonly visits: number;
  readonly victim: ChildProcess;
}

export async function createWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'opspawn-escape-'));
  chmodSync(folder, 0o755);
  const secret = `secret-${randomBytes(8).toString('hex')}`;
  const [box, shelf] = [join(folder, 'box'), join(folder, 'shelf')];
  const secretFile = join(folder, 'secret');
  writeFileSync(secretFile, secret);
  for (const each of [box, shelf]) mkdirSync(each);
  writeFileSync(join(shelf, 'book'), 'book');
  symlinkSync(secretFile, join(box, 'link'));
  if (process.getuid?.() === 0) chownSync(box, 65_534, 65_534);
  process.env.OPSPAWN_ESCAPE_SECRET = secret;

  let visits = 0;
  const visit = (): void => {
    visits += 1;
  };
  const tcp = createServer((socket) => socket.on('error', visit).end(secret)).on('connection', visit);
  const unix = createServer((socket) => socket.on('error', visit).end(secret)).on('connection', visit);
  const socketFile = join(shelf, 'socket');
  const udp = createSocket('udp4', visit);
  tcp.listen(0, '127.0.0.1');
  unix.listen(socketFile);
  udp.bind(0, '127.0.0.1');
  await Promise.all([once(tcp, 'listening'), once(unix, 'listening'), once(udp, 'listening')]);
  chmodSync(socketFile, 0o777);
  const victim = spawn('sleep', ['600'], { stdio: 'ignore' });
  return {
    given: {
      ...{ secret, secretFile, box, shelf, socketFile, outside: join(folder, 'outside') },
      ...{ hostPid: process.pid, victimPid: victim.pid ?? 0, node: process.execPath, arch: process.arch },
      tcpPort: (tcp.address() as AddressInfo).port,
      udpPort: udp.address().port,
    },
    get visits() {
      return visits;
    },
    victim,
    async [Symbol.asyncDispose]() {
      delete process.env.OPSPAWN_ESCAPE_SECRET;
      victim.kill('SIGKILL');
      for (const server of [tcp, unix, udp]) server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Why nothing can be tried, also where no service was started for the tests; false where it can. */
export const isBubblewrapMissing = (): string | false =>
  spawnSync('bwrap', ['--version']).status !== 0 &&
  'bubblewrap is missing: install it (apt-get install bubblewrap)';
