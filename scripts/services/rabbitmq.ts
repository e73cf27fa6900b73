/**
 * A RabbitMQ of its own: a node with a name, a cookie, a database and an epmd (Erlang's name server) of its own, on free
 * ports of 127.0.0.1. What a system's RabbitMQ does is not touched.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  closeSync,
  existsSync,
  globSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { answersOn } from './answers-on.ts';
import { canInstallByApt, installByApt } from './apt.ts';
import { startByCompose } from './compose.ts';
import { findFreePort } from './free-port.ts';
import { leash } from './leash.ts';
import { type RunningService, type ServiceKind, ServiceMissing } from './service.ts';

const user = 'opspawn';
const password = 'opspawn';
const startTimeoutMs = 90_000;
const amqpHeader = 'AMQP\0\0\x09\x01';

export const rabbitmq: ServiceKind = {
  variable: 'OPSPAWN_TEST_RABBITMQ_URL',
  async start(folder) {
    const programs = findPrograms() ?? (await install());
    if (programs !== undefined) return RabbitServer.create(folder, programs);
    const port = await findFreePort();
    const url = `amqp://${user}:${password}@127.0.0.1:${port}`;
    const container = await startByCompose('rabbitmq', { OPSPAWN_RABBITMQ_PORT: String(port) });
    if (container !== undefined) return { url, [Symbol.asyncDispose]: container[Symbol.asyncDispose] };
    throw new ServiceMissing(
      'RabbitMQ was not found. Install it (Debian and Ubuntu: apt-get install rabbitmq-server; macOS: brew install rabbitmq) or start Docker',
    );
  },
};

interface Programs {
  /** Where rabbitmq-server and rabbitmqctl are; not the wrappers of a package, which change the user. */
  readonly folder: string;
  readonly epmd: string;
}

function findPrograms(): Programs | undefined {
  const path = (process.env.PATH ?? '').split(delimiter);
  const folders = [
    ...globSync('/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin'),
    ...path,
    '/opt/homebrew/sbin',
    '/usr/local/sbin',
  ];
  const folder = folders.find((candidate) => existsSync(join(candidate, 'rabbitmq-server')));
  const epmd = [
    ...path.map((candidate) => join(candidate, 'epmd')),
    ...globSync('/usr/lib/erlang/erts-*/bin/epmd'),
  ];
  const found = epmd.find((candidate) => existsSync(candidate));
  return folder === undefined || found === undefined ? undefined : { folder, epmd: found };
}

async function install(): Promise<Programs | undefined> {
  if (!canInstallByApt()) return undefined;
  await installByApt(['rabbitmq-server']);
  return findPrograms();
}

/** The package's user, so that a server of tests has no more rights than one of the system. */
function serverUser(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const ids = ['-u', '-g'].map((option) => spawnSync('id', [option, 'rabbitmq'], { encoding: 'utf8' }));
  const [uid, gid] = ids.map(({ stdout }) => Number(stdout));
  return ids.every(({ status }) => status === 0) ? { uid: uid ?? 0, gid: gid ?? 0 } : {};
}

export class RabbitServer implements RunningService {
  readonly url: string;
  readonly #folder: string;
  readonly #programs: Programs;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #epmdPort: number;
  #epmd: ChildProcess | undefined;
  #server: ChildProcess | undefined;

  private constructor(folder: string, programs: Programs, ports: readonly [number, number, number]) {
    const [port, epmdPort, distributionPort] = ports;
    this.#folder = folder;
    this.#programs = programs;
    this.#epmdPort = epmdPort;
    this.url = `amqp://${user}:${password}@127.0.0.1:${port}`;
    const file = (name: string): string => join(folder, name);
    this.#environment = {
      PATH: process.env.PATH,
      LANG: 'C.UTF-8',
      HOME: folder,
      ERL_EPMD_PORT: String(epmdPort),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: `opspawn-${port}@localhost`,
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(distributionPort),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
      RABBITMQ_MNESIA_BASE: file('data'),
      RABBITMQ_LOG_BASE: file('log'),
      RABBITMQ_PID_FILE: file('pid'),
      RABBITMQ_CONFIG_FILE: file('rabbitmq.conf'),
      RABBITMQ_CONF_ENV_FILE: file('rabbitmq-env.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: file('enabled_plugins'),
      RABBITMQ_FEATURE_FLAGS_FILE: file('feature_flags'),
      RABBITMQ_GENERATED_CONFIG_DIR: file('config'),
      RABBITMQ_SCHEMA_DIR: file('schema'),
    };
  }

  /** Sets up a node in the empty folder and starts it. */
  static async create(
    folder: string,
    programs: Programs | undefined = findPrograms(),
  ): Promise<RabbitServer> {
    if (programs === undefined) throw new ServiceMissing('RabbitMQ is not installed');
    const ports = [await findFreePort(), await findFreePort(), await findFreePort()] as const;
    const server = new RabbitServer(folder, programs, ports);
    server.#initialise();
    await server.start();
    return server;
  }

  #initialise(): void {
    const files = {
      'rabbitmq.conf': [
        `default_user = ${user}`,
        `default_pass = ${password}`,
        'loopback_users = none',
        // Full or busy machines run tests too.
        'vm_memory_high_watermark.relative = 0.9',
        'disk_free_limit.absolute = 50MB',
        'log.file.level = warning',
        '',
      ].join('\n'),
      'rabbitmq-env.conf': '',
      enabled_plugins: '[].\n',
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.#folder, name), text);
    const folders = ['', 'data', 'log', 'config', 'schema'];
    for (const name of folders) mkdirSync(join(this.#folder, name), { recursive: true });
    const { uid, gid } = serverUser();
    if (uid === undefined) return;
    for (const name of [...folders, ...Object.keys(files)])
      chownSync(join(this.#folder, name), uid, gid ?? uid);
  }

  /** Starts the server, also again after `kill`, and resolves when it takes connections. */
  async start(): Promise<void> {
    this.#epmd ??= this.#serve(this.#programs.epmd, ['-port', String(this.#epmdPort)]);
    const server = this.#serve(join(this.#programs.folder, 'rabbitmq-server'), []);
    this.#server = server;
    await once(server, 'spawn');
    const port = Number(new URL(this.url).port);
    for (
      const giveUpAt = performance.now() + startTimeoutMs;
      !(await answersOn(port, amqpHeader));
      await sleep(50)
    ) {
      if (server.exitCode === null && performance.now() < giveUpAt) continue;
      throw new Error(`RabbitMQ did not start:\n${readFileSync(join(this.#folder, 'server.log'), 'utf8')}`);
    }
  }

  #serve(command: string, args: readonly string[]): ChildProcess {
    const server = this.#spawn(command, args);
    if (server.pid !== undefined) leash(server, -server.pid);
    return server;
  }

  #spawn(command: string, args: readonly string[]): ChildProcess {
    const log = openSync(join(this.#folder, 'server.log'), 'a');
    // A group of its own: the server's start script, the server and what the server starts end together.
    const child = spawn(command, args, {
      cwd: this.#folder,
      stdio: ['ignore', log, log],
      env: this.#environment,
      detached: true,
      ...serverUser(),
    });
    closeSync(log);
    return child;
  }

  /** Runs `rabbitmqctl`, which takes seconds. */
  async control(...args: readonly string[]): Promise<void> {
    const command = this.#spawn(join(this.#programs.folder, 'rabbitmqctl'), ['--longnames=false', ...args]);
    const [exitCode] = await once(command, 'exit');
    if (exitCode !== 0) throw new Error(`rabbitmqctl ${args.join(' ')} exited with ${exitCode}`);
  }

  /** As a power cut would. */
  async kill(): Promise<void> {
    await endGroup(this.#server);
    this.#server = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await endGroup(this.#epmd);
    this.#epmd = undefined;
  }
}

async function endGroup(leader: ChildProcess | undefined): Promise<void> {
  if (leader?.pid === undefined || leader.exitCode !== null || leader.signalCode !== null) return;
  const exited = once(leader, 'exit');
  process.kill(-leader.pid, 'SIGKILL');
  await exited;
}
