/** Entry of the thread that renews a worker's lease over a connection of its own. It ends when the lease is lost. */
import { workerData } from 'node:worker_threads';
import { openLeaseConnection } from '../storage/sqlite/lease.ts';
import { LeaseDeadline, type LeaseThreadData, renewUntilLost } from '../tasks/lease.ts';

const { workerId, leaseTtlMs, deadline, store } = workerData as LeaseThreadData;
using connection = openLeaseConnection(String(store.path));
await renewUntilLost({
  store: { renewLease: async (id, ttlMs) => connection.renew(id, ttlMs) },
  workerId,
  leaseTtlMs,
  deadline: new LeaseDeadline(deadline),
  signal: new AbortController().signal,
});
