import type { AppendWrite, NewEntry, OwnedResult, Owner } from '../../store.ts';
import { alike, BatchRows, own } from '../database/batch-rows.ts';
import { statement } from '../database/connections.ts';
import { byOwner, checkStepNames } from './owner.ts';
import type { PlainWrite } from './plain-write.ts';

export const isPlainAppend = ({ entries, takes, children, posts }: AppendWrite): boolean =>
  entries.length > 0 && takes === undefined && children === undefined && posts === undefined;

type Row = [written: number, at: number, indexes: readonly number[] | null];

interface Appended {
  readonly index: number;
  readonly owner: Owner;
  readonly entry: NewEntry;
}

const appended = new BatchRows<Appended>(3, [
  own('index', 'int4', ({ index }) => index),
  own('task_id', 'uuid', ({ owner }) => owner.taskId),
  alike('attempt', 'int4', ({ owner }) => owner.attempt),
  alike('worker_id', 'text', ({ owner }) => owner.workerId),
  own('seq', 'int4', ({ entry }) => entry.seq),
  alike('type', 'text', ({ entry }) => entry.type),
  alike('branch', 'text', ({ entry }) => entry.branch),
  alike('name', 'text', ({ entry }) => entry.name),
  alike('count', 'int4', ({ entry }) => entry.count),
  alike('asked', 'int4', ({ entry }) => entry.asked),
  own('data', 'text', ({ entry }) => entry.data),
]);

const append = statement<Row>(
  'append',
  `with clock as materialized (select greatest(now_ms(), $1::bigint) as at),
     owned as (
       select x.* from ${appended.sql}
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
    const entries = writes.flatMap((write, index) =>
      write.entries.map((entry) => ({ index, owner: write.owner, entry })),
    );
    return [floor, entries.length, ...appended.encode(entries)];
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
