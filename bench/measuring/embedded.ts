import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  createLog,
  defineConfig,
  type OpspawnConfig,
  type RunningWorker,
  readSettings,
  startWorker,
} from '@opspawn/ops-core';
import type { Store } from '../../packages/ops-core/src/storage/store.ts';

export interface EmbeddedOptions {
  /** Where the database is. */
  folder: string;
  config: OpspawnConfig;
  /** Default: SQLite in the folder. */
  databaseUrl?: string;
  /** Default: none. */
  brokerUrl?: string;
  /** Default: as many as a worker runs by default. */
  capacity?: number;
  /** Variables for model providers. Default: none. */
  environment?: Readonly<Record<string, string>>;
  /**
   * Told of each task whose end is committed, with its terminal entry's data as JSON text. A task that is followed
   * instead is streamed, and so costs more.
   */
  onFinished?: (taskId: string, data: string) => void;
  /** No task is claimed before it resolves. Default: the worker claims at once. */
  claimAfter?: Promise<void>;
  /** Told when a claim has come back with tasks. */
  onClaimed?: (taskIds: readonly string[]) => void;
}

/** The engine with a worker in this process; SQLite is synced before each answer. */
export function openEmbedded(options: EmbeddedOptions): Promise<RunningWorker> {
  const { folder, config, capacity, environment } = options;
  const settings = readSettings({
    ...environment,
    OPSPAWN_DATA_DIR: folder,
    OPSPAWN_DATABASE_URL: options.databaseUrl,
    OPSPAWN_BROKER_URL: options.brokerUrl,
  });
  return startWorker({
    settings: { ...settings, shutdownGraceMs: 0, ...(capacity === undefined ? {} : { capacity }) },
    log: createLog({ level: 'warn' }),
    loaded: { path: join(folder, 'opspawn.config.ts'), config: defineConfig(config) },
    wrapStore: (store) => observed(store, options),
  });
}

/** The same store, which also tells what came back from it. */
function observed(store: Store, { onFinished, onClaimed, claimAfter }: EmbeddedOptions): Store {
  const write: Store['write'] = (operation) => {
    const written = store.write(operation);
    if (operation.op !== 'finish') return written;
    return written.then((result) => {
      onFinished?.(operation.owner.taskId, operation.entries.at(-1)?.data ?? '{}');
      return result;
    });
  };
  const claim: Store['claim'] = async (request) => {
    if (claimAfter !== undefined) await claimAfter;
    const tasks = await store.claim(request);
    onClaimed?.(tasks.map(({ taskId }) => taskId));
    return tasks;
  };
  return new Proxy(store, {
    get(target, key) {
      if (key === 'write') return write;
      if (key === 'claim') return claim;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/**
 * What a database holds, in bytes; free pages do not count. Nothing is written back for that: a log that begins anew has
 * to grow again, and until then each sync costs more than twice.
 */
export function storedBytes(databasePath: string): number {
  using database = new DatabaseSync(databasePath, { returnArrays: true });
  const pragma = (name: string): number => Number(database.prepare(`pragma ${name}`).get()?.[0 as never]);
  return (pragma('page_count') - pragma('freelist_count')) * pragma('page_size');
}
