import { openPostgresStore } from '../../packages/ops-core/src/storage/postgres/database/open-store.ts';
import type { QueueAdapter } from './queue.ts';
import { openStoreQueue } from './store-queue.ts';

export const postgresStore: QueueAdapter = {
  services: ['postgres'],
  open: async (url) => openStoreQueue(await openPostgresStore({ url })),
};
