/**
 * A PostgreSQL of its own: a fresh cluster in a folder, on a free port of 127.0.0.1 and a Unix socket in that folder,
 * with fsync and all other defaults of durability. PostgreSQL refuses to run as root; as root it runs as another user.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, globSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { canInstallByApt, installByApt } from './apt.ts';
import { startByCompose } from './compose.ts';
import { findFreePort } from './free-port.ts';
import { leash } from './leash.ts';
import { type RunningService, type ServiceKind, ServiceMissing } from './service.ts';

const user = 'opspawn';
const password = 'opspawn';
const startTimeoutMs = 60_000;

export const postgres = {
  variable: 'OPSPAWN_TEST_POSTGRES_URL',
  /** `environment`: what a server that is started here gets beside this process's. */
  async start(folder: string, environment: NodeJS.ProcessEnv = {}): Promise<RunningService> {
    const binFolder = findBinFolder() ?? (await install());
    if (binFolder !== undefined) return PostgresServer.create(folder, binFolder, environment);
    const port = await findFreePort();
    const url = `postgres://${user}:${password}@127.0.0.1:${port}/postgres`;
    const container = await startByCompose('postgres', { OPSPAWN_POSTGRES_PORT: String(port) });
    if (container !== undefined) return { url, [Symbol.asyncDispose]: container[Symbol.asyncDispose] };
    throw new ServiceMissing(
      'PostgreSQL was not found. Install it (Debian and Ubuntu: apt-get install postgresql; macOS: brew install postgresql) or start Docker',
    );
  },
} satisfies ServiceKind;

/** The newest version of the system's, or the one in PATH. */
function findBinFolder(): string | undefined {
  const versions = globSync('/usr/lib/postgresql/*/bin').sort((a, b) => versionOf(b) - versionOf(a));
  const configured = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' }).stdout?.trim();
  const folders = [...versions, ...(process.env.PATH ?? '').split(delimiter), configured ?? ''];
  return folders.find((folder) => ['initdb', 'postgres'].every((name) => existsSync(join(folder, name))));
}

const versionOf = (path: string): number => Number(path.split('/').at(-2));

async function install(): Promise<string | undefined> {
  if (!canInstallByApt()) return undefined;
  const settings = { '/etc/postgresql-common/createcluster.conf': 'create_main_cluster = false\n' };
  await installByApt(['postgresql'], settings);
  return findBinFolder();
}

/** Runs programs as somebody who is not root. */
export function unprivilegedUser(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    const ids = ['-u', '-g'].map((option) => spawnSync('id', [option, name], { encoding: 'utf8' }));
    const [uid, gid] = ids.map(({ stdout }) => Number(stdout));
    if (ids.every(({ status }) => status === 0)) return { uid: uid ?? 0, gid: gid ?? 0 };
  }
  throw new ServiceMissing('PostgreSQL does not run as root, and there is no user to run it as');
}

export class PostgresServer implements RunningService {
  readonly url: string;
  readonly #folder: string;
  readonly #binFolder: string;
  readonly #port: number;
  readonly #environment: NodeJS.ProcessEnv;
  #process: ChildProcess | undefined;

  private constructor(folder: string, binFolder: string, port: number, environment: NodeJS.ProcessEnv) {
    this.#environment = environment;
    this.#folder = folder;
    this.#binFolder = binFolder;
    this.#port = port;
    this.url = `postgres://${user}:${password}@127.0.0.1:${port}/postgres`;
  }

  /** Makes a cluster in the empty folder and starts it. */
  static async create(
    folder: string,
    binFolder: string | undefined = findBinFolder(),
    environment: NodeJS.ProcessEnv = {},
  ): Promise<PostgresServer> {
    if (binFolder === undefined) throw new ServiceMissing('PostgreSQL is not installed');
    const server = new PostgresServer(folder, binFolder, await findFreePort(), environment);
    server.#initialise();
    await server.start();
    return server;
  }

  #initialise(): void {
    const owner = unprivilegedUser();
    const passwordFile = join(this.#folder, 'password');
    writeFileSync(passwordFile, password);
    mkdirSync(join(this.#folder, 'data'), { mode: 0o700 });
    for (const path of ['', 'data', 'password']) {
      if (owner.uid !== undefined) chownSync(join(this.#folder, path), owner.uid, owner.gid ?? owner.uid);
    }
    const args = ['-D', 'data', '-U', user, '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
    const { status, stderr, error } = spawnSync(
      join(this.#binFolder, 'initdb'),
      [...args, '--encoding=UTF8', '--locale=C.UTF-8', '--no-sync'],
      { cwd: this.#folder, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' }, ...owner },
    );
    if (error) throw error;
    if (status !== 0) throw new Error(`initdb exited with ${status}:\n${stderr}`);
  }

  /** Starts the server, also again after `kill`, and resolves when it takes connections. */
  async start(): Promise<void> {
    const logFile = join(this.#folder, 'server.log');
    const log = openSync(logFile, 'a');
    const settings = ['max_connections=200', 'max_wal_size=4GB', 'log_min_messages=fatal'];
    const server = spawn(
      join(this.#binFolder, 'postgres'),
      // biome-ignore format: one option with its value a line
      [
        '-D', 'data',
        '-h', '127.0.0.1',
        '-p', String(this.#port),
        '-k', this.#folder,
        ...settings.flatMap((setting) => ['-c', setting]),
      ],
      {
        cwd: this.#folder,
        stdio: ['ignore', log, log],
        env: { ...process.env, ...this.#environment },
        ...unprivilegedUser(),
      },
    );
    this.#process = server;
    await once(server, 'spawn');
    leash(server, server.pid ?? 0);
    for (const giveUpAt = performance.now() + startTimeoutMs; !this.#isReady(); await sleep(50)) {
      if (server.exitCode === null && performance.now() < giveUpAt) continue;
      throw new Error(`PostgreSQL did not start:\n${readFileSync(logFile, 'utf8')}`);
    }
  }

  get isRunning(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  /** The last line of postmaster.pid says so (storage/lmgr of PostgreSQL: LOCK_FILE_LINE_PM_STATUS). */
  #isReady(): boolean {
    const pidFile = join(this.#folder, 'data', 'postmaster.pid');
    if (!existsSync(pidFile)) return false;
    const lines = readFileSync(pidFile, 'utf8').split('\n');
    return lines[0] === String(this.#process?.pid) && lines[7]?.trim() === 'ready';
  }

  /** As a power cut would: nothing is flushed that was not yet. */
  async kill(): Promise<void> {
    await this.#end('SIGQUIT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGINT');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const server = this.#process;
    if (server === undefined || !this.isRunning) return;
    const exited = once(server, 'exit');
    server.kill(signal);
    await exited;
  }
}
