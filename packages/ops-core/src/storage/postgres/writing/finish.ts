import { OpspawnError } from '@opspawn/agentkit/schema';
import { errorCodeOf } from '../../rows/error-code.ts';
import type { FinishWrite, NewEntry, OwnedResult } from '../../store.ts';
import { alike, BatchRows, own } from '../database/batch-rows.ts';
import { statement } from '../database/connections.ts';
import { byOwner } from './owner.ts';
import type { PlainWrite } from './plain-write.ts';

export const isPlainFinish = ({ entries, takes, children, posts }: FinishWrite): boolean =>
  entries.length === 1 && takes === undefined && children === undefined && posts === undefined;

type Row = [ended: number, at: number, indexes: readonly number[] | null];

interface Ending {
  readonly write: FinishWrite;
  readonly entry: NewEntry;
}

const endings = new BatchRows<Ending>(3, [
  own('index', 'int4', (_, index) => index),
  own('task_id', 'uuid', ({ write }) => write.owner.taskId),
  alike('attempt', 'int4', ({ write }) => write.owner.attempt),
  alike('worker_id', 'text', ({ write }) => write.owner.workerId),
  alike('status', 'text', ({ write }) => write.status),
  alike('seq', 'int4', ({ entry }) => entry.seq),
  alike('asked', 'int4', ({ entry }) => entry.asked),
  own('data', 'text', ({ entry }) => entry.data),
  alike('error_code', 'text', ({ write, entry }) => (write.status === 'failed' ? errorCodeOf(entry) : null)),
]);

const finish = statement<Row>(
  'finish',
  `with clock as materialized (select greatest(now_ms(), $1::bigint) as at),
     owned as (
       delete from queue q using ${endings.sql}
       where q.task_id = x.task_id and q.attempt = x.attempt and q.worker_id = x.worker_id and q.state = 1
         and q.parent_id is null and q.session_id is null and not q.has_children and q.limits is null
         and not exists (select from journal j where j.task_id = x.task_id and j.seq >= x.seq)
       returning x.*, q.namespace, q.failures
     ),
     ended as (
       insert into outcomes (task_id, namespace, status, failures, seq, attempt, at, error_code, asked, data)
       select task_id, namespace, status, failures + (status = 'failed')::int, seq, attempt, at, error_code, asked, data
       from owned, clock
     )
     select count(*), (select at from clock), case when count(*) < $2::int then coalesce(array_agg(index), '{}') end
     from owned`,
);

/** Ends tasks that nobody waits for: without a parent, unfinished children, a session or a limit. */
export const plainFinish: PlainWrite<FinishWrite, OwnedResult, Row> = {
  statement: () => finish,
  sort: byOwner,
  encode: (writes, floor) => [
    floor,
    writes.length,
    ...endings.encode(writes.map((write) => ({ write, entry: terminalEntry(write) }))),
  ],
  answer([, at, indexes], writes, turn) {
    const ended = indexes === null ? undefined : new Set(indexes);
    return writes.map(({ owner }, index) => {
      if (ended?.has(index) === false) return undefined;
      turn.changed.push(owner.taskId);
      return { ok: true, at };
    });
  },
  atOf: (row) => row[1],
};

/** Throws `invalid_argument` when the entries do not end as the write says. */
export function terminalEntry({ owner, status, entries }: FinishWrite): NewEntry {
  const last = entries.at(-1);
  if (last?.type === `task.${status}`) return last;
  throw new OpspawnError('invalid_argument', `The entries of ${owner.taskId} do not end with task.${status}`);
}

/** What a parent is told: how its child ended, with its `output` or its `error`. JSON text. */
export function childData(write: FinishWrite): string {
  const { data } = terminalEntry(write);
  const ending: unknown = data === undefined ? undefined : JSON.parse(data);
  const outcome = typeof ending === 'object' && ending !== null ? ending : {};
  return JSON.stringify({
    taskId: write.owner.taskId,
    status: write.status,
    ...('output' in outcome ? { output: outcome.output } : {}),
    ...('error' in outcome ? { error: outcome.error } : {}),
  });
}
