import type { NewTask, SubmitResult } from '../../store.ts';
import { int4Array, int8Array, textArray, uuidArray } from '../database/binary-array.ts';
import { type Statement, statement } from '../database/connections.ts';
import type { PlainWrite } from './plain-write.ts';

/** Nothing else has to be looked at: no turn in a session, no parent, no limit. */
export const isPlainSubmit = (task: NewTask): boolean =>
  task.sessionId === undefined && task.parentId === undefined && task.limits === undefined;

type Row = [made: number, at: number, ids: readonly string[] | null];

/**
 * `onConflict`: a key may be there already. Looking out for it costs about an eighth more, so a batch without keys does
 * not; a task that was submitted before then makes it fail as a whole, and `write_all` answers it.
 */
const submitOf = (name: string, onConflict: string): Statement<Row> =>
  statement<Row>(
    name,
    `with clock as materialized (select greatest(now_ms(), $1::bigint) as at),
     made as (
       insert into tasks (namespace, id, kind, name, queue, priority, created_at, due_at, attempt_timeout_ms,
         idempotency_key, request_digest, parent_key, options, input, deadline_at)
       select x.namespace, x.id, x.kind, x.name, x.queue, x.priority, clock.at, x.due_at, x.attempt_timeout_ms,
         x.idempotency_key, x.request_digest, x.parent_key, x.options, x.input, coalesce(x.deadline_at, clock.at + x.timeout_ms)
       from unnest($3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::int[], $9::bigint[], $10::bigint[],
         $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::bigint[], $17::bigint[]) as x (namespace, id, kind, name, queue,
         priority, due_at, attempt_timeout_ms, idempotency_key, request_digest, parent_key, options, input, deadline_at, timeout_ms), clock
       ${onConflict}
       returning namespace, id, queue, priority, created_at, due_at, deadline_at
     ),
     queued as (
       insert into queue (task_id, state, attempt, queue, priority, due_at, failures, namespace, has_children, has_inbox,
         task_deadline_at)
       select id, case when due_at > created_at then 2 else 0 end, 0, queue, priority, coalesce(due_at, created_at), 0,
         namespace, false, false, deadline_at
       from made
     )
     select count(*), (select at from clock),
       case when count(*) < $2::int then coalesce(array_agg(id::text), '{}') end
     from made`,
  );

const submit = submitOf('submit', '');
const submitWithKeys = submitOf('submit_with_keys', 'on conflict do nothing');
/** Unix ms; Infinity for a task without a deadline. */
export const deadlineOf = ({ deadlineAt, timeoutMs }: NewTask, createdAt: number): number =>
  deadlineAt ?? (timeoutMs === undefined ? Number.POSITIVE_INFINITY : createdAt + timeoutMs);
const keyOf = (task: NewTask): string => task.idempotencyKey ?? '';

/**
 * Creates tasks that are not there, and answers those; the others are left to `write_all`. In the order of their
 * idempotency keys, since a key that another transaction is writing is waited for.
 */
export const plainSubmit: PlainWrite<NewTask, SubmitResult, Row> = {
  statement: (tasks) => (tasks.every((task) => task.idempotencyKey === undefined) ? submit : submitWithKeys),
  sort: (a, b) => compare(keyOf(a), keyOf(b)) || compare(a.id, b.id),
  encode: (tasks, floor) => [
    floor,
    tasks.length,
    textArray(tasks.map((task) => task.namespace)),
    uuidArray(tasks.map((task) => task.id)),
    textArray(tasks.map((task) => task.kind)),
    textArray(tasks.map((task) => task.name)),
    textArray(tasks.map((task) => task.queue)),
    int4Array(tasks.map((task) => task.priority)),
    int8Array(tasks.map((task) => task.dueAt)),
    int8Array(tasks.map((task) => task.attemptTimeoutMs)),
    textArray(tasks.map((task) => task.idempotencyKey)),
    textArray(tasks.map((task) => task.requestDigest)),
    textArray(tasks.map((task) => task.parentKey)),
    textArray(tasks.map((task) => task.options)),
    textArray(tasks.map((task) => task.input)),
    int8Array(tasks.map((task) => task.deadlineAt)),
    int8Array(tasks.map((task) => task.timeoutMs)),
  ],
  answer([, at, ids], tasks, turn) {
    const made = ids === null ? undefined : new Set(ids);
    return tasks.map((task) => {
      if (made?.has(task.id.toLowerCase()) === false) return undefined;
      if ((task.dueAt ?? 0) <= at) turn.ready.add(task.queue);
      else turn.dueAt = Math.min(turn.dueAt, task.dueAt ?? turn.dueAt);
      turn.dueAt = Math.min(turn.dueAt, deadlineOf(task, at));
      return { taskId: task.id, outcome: 'created', createdAt: at };
    });
  },
  atOf: (row) => row[1],
};

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
