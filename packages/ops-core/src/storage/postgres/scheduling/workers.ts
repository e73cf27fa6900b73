import type { Owner, WorkerInfo } from '../../store.ts';
import { statement } from '../database/connections.ts';
import type { OverdueTask, Told } from '../writing/write-all.ts';

/** One row per worker, so that renewals touch no task and wait for nobody. Gives no row for an id in use elsewhere. */
export const registerWorker = statement<[id: string]>(
  'register_worker',
  `insert into workers (id, host, pid, process_start, queues, definitions, lease_ttl_ms, lease_until_at)
   values ($1, $2, $3, $4, $5, $7, $6, now_ms() + $6)
   on conflict (id) do update set lease_ttl_ms = excluded.lease_ttl_ms, lease_until_at = excluded.lease_until_at
   where workers.host = excluded.host and workers.pid = excluded.pid and workers.process_start = excluded.process_start
   returning id`,
);

export const encodeWorker = (
  { id, host, pid, processStart, queues, definitions = [] }: WorkerInfo,
  leaseTtlMs: number,
): unknown[] => [
  id,
  host,
  pid,
  processStart,
  JSON.stringify(queues),
  leaseTtlMs,
  JSON.stringify(definitions),
];

export const removeWorker = statement<[Told]>('remove_worker', 'select remove_worker($1, $2)');

export const giveBackOthers = statement<[Told & { readonly count: number }]>(
  'give_back_others',
  'select give_back_others($1, $2, $3, $4)',
);

/** The attempts that the worker knows of. */
export const encodeHeld = (held: readonly Omit<Owner, 'workerId'>[]) => [
  held.map(({ taskId }) => taskId),
  held.map(({ attempt }) => attempt),
];

export const sweep = statement<[Told & { readonly count: number; readonly behind: string | null }]>(
  'sweep',
  'select sweep($1, $2, $3, $4)',
);

export const promoteDue = statement<
  [Told & { readonly next: number | null; readonly overdue: readonly OverdueTask[] }]
>('promote_due', 'select promote_due($1, $2)');
