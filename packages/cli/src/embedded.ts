/** Commands that do their work in this process, on a database. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { OpspawnError } from '@opspawn/agentkit/schema';
import {
  describeDatabase,
  findConfig,
  type LoadedConfig,
  loadConfig,
  readSettings,
  type Settings,
  startDev,
  startServer,
  type WorkerStartOptions,
} from '@opspawn/ops-core';
import { type Connection, connectTo } from './connect.ts';

/** What the command line says of the settings; what it does not say comes from the environment. */
export interface SettingOptions {
  data?: string;
  database?: string;
  host?: string;
  port?: number;
  capacity?: number;
  queues?: string;
  /** Where the environment does not say one. */
  logLevel?: Settings['logLevel'];
}

export function settingsFrom(options: SettingOptions): Settings {
  const { data, database, host, port, capacity, queues, logLevel } = options;
  const { env } = process;
  return readSettings({
    ...env,
    // The folder that was asked for, whatever database the environment names.
    ...(data === undefined
      ? {}
      : { OPSPAWN_DATA_DIR: data, OPSPAWN_DATABASE_URL: '', OPSPAWN_BROKER_URL: '' }),
    ...(database === undefined ? {} : { OPSPAWN_DATABASE_URL: database }),
    ...(host === undefined ? {} : { OPSPAWN_HOST: host }),
    ...(port === undefined ? {} : { OPSPAWN_PORT: String(port) }),
    ...(capacity === undefined ? {} : { OPSPAWN_CAPACITY: String(capacity) }),
    ...(queues === undefined ? {} : { OPSPAWN_QUEUES: queues }),
    ...(logLevel === undefined || env.OPSPAWN_LOG_LEVEL ? {} : { OPSPAWN_LOG_LEVEL: logLevel }),
  });
}

/** The file that says what can be run: the one that was named, here or by the environment, or the nearest one. */
export function configPathFrom(config: string | undefined, settings: Settings): string | undefined {
  return config ?? settings.configPath ?? findConfig(process.cwd());
}

/** For a server that is meant for this process alone. */
const embeddedSettings = { port: 0, host: '127.0.0.1', logLevel: 'silent' } as const;

export type DatabaseOptions = Pick<SettingOptions, 'data' | 'database'>;

/** The settings, for a command that makes no database. Throws `not_found` when there is none. */
export function settingsOfExisting(options: SettingOptions): Settings {
  const settings = settingsFrom(options);
  const { database, dataDir } = settings;
  if (database.kind === 'sqlite' && !existsSync(database.path)) {
    throw new OpspawnError('not_found', `There is no Opspawn data in ${dataDir}`);
  }
  return settings;
}

/** Serves an existing database to this process alone; nothing is run. Throws `not_found` when there is none. */
export async function openDatabase(
  options: DatabaseOptions & { namespace?: string | undefined },
): Promise<Connection> {
  const { data, database: url, namespace } = options;
  const settings = settingsOfExisting({ ...named(data, url), ...embeddedSettings });
  const ownKey = randomUUID();
  return asConnection(await startServer({ settings, ownKey, ...working(namespace) }), ownKey);
}

const working = (namespace: string | undefined) =>
  namespace === undefined ? {} : { ownNamespace: namespace };

const named = (data: string | undefined, database: string | undefined): DatabaseOptions => ({
  ...(data === undefined ? {} : { data }),
  ...(database === undefined ? {} : { database }),
});

export interface EmbeddedOptions extends Omit<WorkerStartOptions, 'settings' | 'loaded' | 'namespace'> {
  configPath: string;
  /** In which the command works. What the worker can run, all can. */
  namespace?: string | undefined;
  data?: string;
  database?: string;
}

export interface Embedded extends Connection {
  readonly loaded: LoadedConfig;
  /** Where the database is, for people. */
  readonly place: string;
}

/** A server and a worker in this process, reachable by it alone. */
export async function openEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { configPath, data, database, namespace, ...rest } = options;
  const settings = settingsFrom({ ...named(data, database), ...embeddedSettings });
  const loaded = await loadConfig(configPath);
  const ownKey = randomUUID();
  const running = await startDev({ ...rest, settings, loaded, ownKey, ...working(namespace) });
  return { ...asConnection(running, ownKey), loaded, place: describeDatabase(settings.database) };
}

function asConnection(running: AsyncDisposable & { url: string }, ownKey: string): Connection {
  return {
    client: connectTo(running.url, ownKey).client,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
