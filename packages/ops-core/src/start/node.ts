import { dirname } from 'node:path';
import {
  createSecurityManager,
  environmentSecrets,
  type KnownSecrets,
  type SecurityManager,
} from '@opspawn/agentkit';
import { inboxOf } from '../broker/broker.ts';
import type { Bus } from '../broker/bus.ts';
import { openMemoryBus } from '../broker/memory/bus.ts';
import type { DatabaseSetting, Settings } from '../config.ts';
import { createLog, type Log } from '../observe/log.ts';
import type { Store } from '../storage/store.ts';
import type { Redact } from '../tasks/decisions.ts';
import type { LoadedConfig } from '../tasks/definitions/load-config.ts';
import type { OpspawnConfig } from '../tasks/definitions/user-config.ts';
import { createEngine } from '../tasks/engine.ts';
import type { Engine } from '../tasks/engine-interface.ts';
import { RetentionLoop } from '../tasks/retention.ts';
import { brokerPrefixOf } from './broker-prefix.ts';
import { makeFolder } from './make-folder.ts';

export interface NodeOptions {
  settings: Settings;
  /** Default: JSON on stderr, at the settings' level. */
  log?: Log;
  /** Stands between the process and its store: for tests that fail or kill it there. Default: nothing does. */
  wrapStore?: (store: Store) => Store;
  /** User code, where the process runs some: its secrets are kept out of what people say of decisions. */
  loaded?: LoadedConfig;
}

/** What every process of ours has: the store, the bus to the others, and the engine over both. */
export interface OpspawnNode extends AsyncDisposable {
  readonly settings: Settings;
  readonly log: Log;
  readonly store: Store;
  readonly bus: Bus;
  readonly engine: Engine;
  readonly guards: Guards;
}

/** What keeps secrets, and keeps them out of what is recorded. */
export type Guards = { secrets: KnownSecrets; security: SecurityManager };

/** Of user code; by default the secrets are this process's environment variables. */
export function guardsOf({
  secrets = environmentSecrets(),
  security = createSecurityManager({ secrets }),
}: Pick<OpspawnConfig, 'secrets' | 'security'> = {}): Guards {
  return { secrets, security };
}

/**
 * Opens the database, whose folder is made when there is none, and the bus. Throws `config_invalid` when it cannot be
 * made or the broker refuses, and what the store throws.
 */
export async function openNode(options: NodeOptions): Promise<OpspawnNode> {
  const { settings, wrapStore = (store) => store } = options;
  const log = options.log ?? createLog({ level: settings.logLevel });
  await using opening = new AsyncDisposableStack();
  const store = wrapStore(opening.use(await openStore(settings.database)));
  const bus = opening.use(await openBus(settings, log));
  tellCommits(store, bus);
  opening.use(
    new RetentionLoop({
      store,
      defaults: settings.retention,
      onDeleted: (namespace, tasks) => log.info({ namespace, tasks }, 'tasks were deleted: kept long enough'),
      onError: (err) => log.warn({ err }, 'old tasks could not be deleted'),
    }),
  );
  const guards = guardsOf(options.loaded?.config);
  const redact: Redact = (value) => guards.security.redact(value);
  const stack = opening.move();
  return {
    settings,
    log,
    store,
    bus,
    engine: createEngine({ store, bus, redact }),
    guards,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Beside those of the store: two of the bus (broker/postgres), and that of a worker's lease. */
const otherConnections = 3;

/** Brings the database up to date first. */
export async function openStore(database: DatabaseSetting): Promise<Store> {
  if (database.kind === 'postgres') {
    const { openPostgresStore } = await import('../storage/postgres/database/open-store.ts');
    const { url, connections } = database;
    return await openPostgresStore({
      url,
      ...(connections === undefined ? {} : { connections: connections - otherConnections }),
    });
  }
  if (database.path !== ':memory:') makeFolder(dirname(database.path));
  const { openSqliteStore } = await import('../storage/sqlite/database/open-store.ts');
  return await openSqliteStore({ path: database.path });
}

/** How this process reaches the others: through the broker where there is one, else through what they share anyhow. */
async function openBus({ database, brokerUrl }: Settings, log: Log): Promise<Bus> {
  if (brokerUrl !== undefined) {
    const { openRabbitBus } = await import('../broker/rabbitmq/bus.ts');
    return await openRabbitBus({ url: brokerUrl, log, prefix: await brokerPrefixOf(database) });
  }
  if (database.kind === 'postgres') {
    const { openPostgresBus } = await import('../broker/postgres/bus.ts');
    return openPostgresBus({ url: database.url, log });
  }
  if (database.path === ':memory:') return openMemoryBus();
  const { openSocketBus } = await import('../broker/socket/bus.ts');
  return openSocketBus({ folder: dirname(database.path) });
}

/** What this process commits, workers and watchers hear of, here and elsewhere. */
export function tellCommits(store: Store, { broker, live }: Bus): void {
  const tell = (type: 'changed' | 'posted', taskId: string): void => {
    if (live.isWatched(taskId)) live.publish({ type, taskId });
  };
  store.listen({
    ready: (queues) => broker.ring(queues),
    changed: (taskIds) => {
      for (const taskId of taskIds) tell('changed', taskId);
    },
    posted: (taskIds) => {
      for (const taskId of taskIds) tell('posted', inboxOf(taskId));
    },
  });
}
