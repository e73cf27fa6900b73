import { OpspawnError } from '@opspawn/agentkit/schema';
import { errorCodeOf } from '../../rows/error-code.ts';
import type { FinishWrite, NewEntry, OwnedResult } from '../../store.ts';
import { int4Array, textArray, uuidArray } from '../database/binary-array.ts';
import { statement } from '../database/connections.ts';
import { byOwner } from './owner.ts';
import type { PlainWrite } from './plain-write.ts';

export const isPlainFinish = ({ entries, takes, children, posts }: FinishWrite): boolean =>
  entries.length === 1 && takes === undefined && children === undefined && posts === undefined;

type Row = [ended: number, at: number, indexes: readonly number[] | null];

const finish = statement<Row>(
  'finish',
  `with clock as materialized (select greatest(now_ms(), $1::bigint) as at),
     owned as (
       delete from queue q using unnest($3::int[], $4::uuid[], $5::int[], $6::text[], $7::text[], $8::int[], $9::int[],
         $10::text[], $11::text[]) as x (index, task_id, attempt, worker_id, status, seq, asked, data, error_code)
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
  encode(writes, floor) {
    const rows = writes.map((write) => ({ ...write, entry: terminalEntry(write) }));
    return [
      floor,
      rows.length,
      int4Array(rows.map((_, index) => index)),
      uuidArray(rows.map(({ owner }) => owner.taskId)),
      int4Array(rows.map(({ owner }) => owner.attempt)),
      textArray(rows.map(({ owner }) => owner.workerId)),
      textArray(rows.map(({ status }) => status)),
      int4Array(rows.map(({ entry }) => entry.seq)),
      int4Array(rows.map(({ entry }) => entry.asked)),
      textArray(rows.map(({ entry }) => entry.data)),
      textArray(rows.map(({ status, entry }) => (status === 'failed' ? errorCodeOf(entry) : null))),
    ];
  },
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
