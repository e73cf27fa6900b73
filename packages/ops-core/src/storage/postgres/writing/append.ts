import type { AppendWrite, OwnedResult } from '../../store.ts';
import { int4Array, textArray, uuidArray } from '../database/binary-array.ts';
import { statement } from '../database/connections.ts';
import { byOwner, checkStepNames } from './owner.ts';
import type { PlainWrite } from './plain-write.ts';

export const isPlainAppend = ({ entries, takes, children, posts }: AppendWrite): boolean =>
  entries.length > 0 && takes === undefined && children === undefined && posts === undefined;

type Row = [written: number, at: number, indexes: readonly number[] | null];

const append = statement<Row>(
  'append',
  `with clock as materialized (select greatest(now_ms(), $1::bigint) as at),
     owned as (
       select x.* from unnest($3::int[], $4::uuid[], $5::int[], $6::text[], $7::int[], $8::text[], $9::text[],
         $10::text[], $11::int[], $12::int[], $13::text[]) as x (index, task_id, attempt, worker_id, seq, type, branch,
         name, count, asked, data)
       join queue q on q.task_id = x.task_id and q.attempt = x.attempt and q.worker_id = x.worker_id and q.state = 1
       for no key update of q
     ),
     written as (
       insert into journal (task_id, seq, type, attempt, at, branch, name, count, asked, data)
       select task_id, seq, type, attempt, at, branch, name, count, asked, data from owned, clock
     )
     select count(*), (select at from clock), case when count(*) < $2::int then coalesce(array_agg(distinct index), '{}') end
     from owned`,
);

/** The lock on the queue's row is needed: by a plain join an owner that was just superseded would still write. */
export const plainAppend: PlainWrite<AppendWrite, OwnedResult, Row> = {
  statement: () => append,
  sort: byOwner,
  encode(writes, floor) {
    for (const write of writes) checkStepNames(write);
    const rows = writes.flatMap(({ owner, entries }, index) =>
      entries.map((entry) => ({ index, owner, entry })),
    );
    return [
      floor,
      rows.length,
      int4Array(rows.map(({ index }) => index)),
      uuidArray(rows.map(({ owner }) => owner.taskId)),
      int4Array(rows.map(({ owner }) => owner.attempt)),
      textArray(rows.map(({ owner }) => owner.workerId)),
      int4Array(rows.map(({ entry }) => entry.seq)),
      textArray(rows.map(({ entry }) => entry.type)),
      textArray(rows.map(({ entry }) => entry.branch)),
      textArray(rows.map(({ entry }) => entry.name)),
      int4Array(rows.map(({ entry }) => entry.count)),
      int4Array(rows.map(({ entry }) => entry.asked)),
      textArray(rows.map(({ entry }) => entry.data)),
    ];
  },
  answer([, at, indexes], writes, turn) {
    const written = indexes === null ? undefined : new Set(indexes);
    return writes.map(({ owner }, index) => {
      if (written?.has(index) === false) return undefined;
      turn.changed.push(owner.taskId);
      return { ok: true, at };
    });
  },
  atOf: (row) => row[1],
};
