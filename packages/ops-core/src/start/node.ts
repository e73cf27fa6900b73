import { dirname } from 'node:path';
import { inboxOf } from '../broker/broker.ts';
import type { Bus } from '../broker/bus.ts';
import { openMemoryBus } from '../broker/memory/bus.ts';
import { openSocketBus } from '../broker/socket/bus.ts';
import type { Settings } from '../config.ts';
import { createLog, type Log } from '../observe/log.ts';
import { openSqliteStore } from '../storage/sqlite/open-store.ts';
import type { Store } from '../storage/store.ts';
import { createEngine } from '../tasks/engine.ts';
import type { Engine } from '../tasks/engine-interface.ts';
import { makeFolder } from './make-folder.ts';

export interface NodeOptions {
  settings: Settings;
  /** Default: JSON on stderr, at the settings' level. */
  log?: Log;
  /** Stands between the process and its store: for tests that fail or kill it there. Default: nothing does. */
  wrapStore?: (store: Store) => Store;
}

/** What every process of ours has: the store, the bus to the others, and the engine over both. */
export interface OpspawnNode extends AsyncDisposable {
  readonly settings: Settings;
  readonly log: Log;
  readonly store: Store;
  readonly bus: Bus;
  readonly engine: Engine;
}

/**
 * Opens the database, whose folder is made when there is none. Throws `config_invalid` when it cannot be made, and
 * what the store throws.
 */
export async function openNode(options: NodeOptions): Promise<OpspawnNode> {
  const { settings, wrapStore = (store) => store } = options;
  const { databasePath, logLevel } = settings;
  const folder = databasePath === ':memory:' ? undefined : dirname(databasePath);
  if (folder !== undefined) makeFolder(folder);
  const store = wrapStore(await openSqliteStore({ path: databasePath }));
  const bus = folder === undefined ? openMemoryBus() : openSocketBus({ folder });
  tellCommits(store, bus);
  return {
    settings,
    log: options.log ?? createLog({ level: logLevel }),
    store,
    bus,
    engine: createEngine({ store, broker: bus.broker, live: bus.live }),
    async [Symbol.asyncDispose]() {
      await bus[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

/** What this process commits, workers and watchers hear of, here and elsewhere. */
function tellCommits(store: Store, { broker, live }: Bus): void {
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
