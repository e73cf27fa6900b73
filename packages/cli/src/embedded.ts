/** Commands that do their work in this process, on a data folder. */
import { existsSync } from 'node:fs';
import { OpspawnError } from '@opspawn/agentkit/schema';
import {
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
  host?: string;
  port?: number;
  capacity?: number;
  /** Where the environment does not say one. */
  logLevel?: Settings['logLevel'];
}

export function settingsFrom({ data, host, port, capacity, logLevel }: SettingOptions): Settings {
  const { env } = process;
  return readSettings({
    ...env,
    // The folder that was asked for, whatever database the environment names.
    ...(data === undefined ? {} : { OPSPAWN_DATA_DIR: data, OPSPAWN_DATABASE_URL: '' }),
    ...(host === undefined ? {} : { OPSPAWN_HOST: host }),
    ...(port === undefined ? {} : { OPSPAWN_PORT: String(port) }),
    ...(capacity === undefined ? {} : { OPSPAWN_CAPACITY: String(capacity) }),
    ...(logLevel === undefined || env.OPSPAWN_LOG_LEVEL ? {} : { OPSPAWN_LOG_LEVEL: logLevel }),
  });
}

/** The file that says what can be run: the one that was named, here or by the environment, or the nearest one. */
export function configPathFrom(config: string | undefined, settings: Settings): string | undefined {
  return config ?? settings.configPath ?? findConfig(process.cwd());
}

/** Serves an existing data folder to this process alone; nothing is run. Throws `not_found` when there is none. */
export async function openDataFolder(data: string): Promise<Connection> {
  const settings = settingsFrom({ data, port: 0, host: '127.0.0.1', logLevel: 'silent' });
  const { database } = settings;
  if (database.kind === 'sqlite' && !existsSync(database.path)) {
    throw new OpspawnError('not_found', `There is no Opspawn data in ${settings.dataDir}`);
  }
  return asConnection(await startServer({ settings }));
}

export interface EmbeddedOptions extends Omit<WorkerStartOptions, 'settings' | 'loaded'> {
  configPath: string;
  data?: string;
}

export interface Embedded extends Connection {
  readonly loaded: LoadedConfig;
  readonly dataDir: string;
}

/** A server and a worker in this process, reachable by it alone. */
export async function openEmbedded({ configPath, data, ...options }: EmbeddedOptions): Promise<Embedded> {
  const settings = settingsFrom({
    ...(data === undefined ? {} : { data }),
    port: 0,
    host: '127.0.0.1',
    logLevel: 'silent',
  });
  const loaded = await loadConfig(configPath);
  const running = await startDev({ ...options, settings, loaded });
  return { ...asConnection(running), loaded, dataDir: settings.dataDir };
}

function asConnection(running: AsyncDisposable & { url: string }): Connection {
  return {
    client: connectTo(running.url).client,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
