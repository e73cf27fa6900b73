import { openSqliteStore } from '../../packages/ops-core/src/storage/sqlite/database/open-store.ts';
import type { QueueAdapter } from './queue.ts';
import { openStoreQueue } from './store-queue.ts';

export const sqliteStore: QueueAdapter = {
  open: async (path) => openStoreQueue(await openSqliteStore({ path })),
};
