/** Entry of the thread that renews a worker's lease over a connection of its own. It ends when the lease is lost. */
import { workerData } from 'node:worker_threads';
import type { DatabaseSetting } from '../config.ts';
import { LeaseDeadline, type LeaseThreadData, renewUntilLost } from '../tasks/worker/lease.ts';

async function openConnection(database: DatabaseSetting) {
  if (database.kind === 'postgres') {
    const { openLeaseConnection } = await import('../storage/postgres/scheduling/lease.ts');
    return openLeaseConnection(database.url);
  }
  const { openLeaseConnection } = await import('../storage/sqlite/scheduling/lease.ts');
  return openLeaseConnection(database.path);
}

const { workerId, leaseTtlMs, deadline, database } = workerData as LeaseThreadData;
await using connection = await openConnection(database);
await renewUntilLost({
  store: { renewLease: async (id, ttlMs) => connection.renew(id, ttlMs) },
  workerId,
  leaseTtlMs,
  deadline: new LeaseDeadline(deadline),
  signal: new AbortController().signal,
});
