import { endingMs } from '../../claim-request.ts';
import { begunTask } from '../../rows/claimed-task.ts';
import type { NewTask, Offer, SubmitResult } from '../../store.ts';
import type { Turn } from '../../turn.ts';
import { alike, BatchRows, own } from '../database/batch-rows.ts';
import { type Statement, statement } from '../database/connections.ts';
import type { PlainWrite } from './plain-write.ts';

/** A task that a worker of this process would begin. */
export interface Submission {
  readonly task: NewTask;
  readonly offer: Offer;
}

/** `ids`: what was made; null for all. `running`: what of that the worker has; null for all. */
type Row = [at: number, ids: readonly string[] | null, running: readonly string[] | null];

const submitted = new BatchRows<NewTask>(3, [
  alike('namespace', 'text', (task) => task.namespace),
  own('id', 'uuid', (task) => task.id),
  alike('kind', 'text', (task) => task.kind),
  alike('name', 'text', (task) => task.name),
  alike('queue', 'text', (task) => task.queue),
  alike('priority', 'int4', (task) => task.priority),
  alike('due_at', 'int8', (task) => task.dueAt),
  alike('attempt_timeout_ms', 'int8', (task) => task.attemptTimeoutMs),
  own('idempotency_key', 'text', (task) => task.idempotencyKey),
  own('request_digest', 'text', (task) => task.requestDigest),
  own('parent_key', 'text', (task) => task.parentKey),
  alike('options', 'text', (task) => task.options),
  own('input', 'text', (task) => task.input),
  alike('deadline_at', 'int8', (task) => task.deadlineAt),
  alike('timeout_ms', 'int8', (task) => task.timeoutMs),
]);
const holder = {
  id: `$${submitted.nextParameter}::text`,
  attemptTimeoutMs: `$${submitted.nextParameter + 1}::bigint`,
};

/** How a task is put into the queue. */
interface Place {
  readonly name: string;
  /** CTEs before it. */
  readonly with: string;
  /** Beside `made m`. */
  readonly from: string;
  /** Columns state, attempt, worker_id and deadline_at. */
  readonly columns: string;
  readonly returning: string;
  readonly running: string;
}

/** `$2`: how many there are. */
const madeIds = `(select case when count(*) < $2::int then coalesce(array_agg(id::text), '{}') end from made)`;

const queued: Place = {
  name: 'submit',
  with: '',
  from: '',
  columns: 'case when m.due_at > m.created_at then 2 else 0 end, 0, null, null',
  returning: '',
  running: 'null',
};

/**
 * As claimed by the holder, a worker, unless it has no lease or the queue is paused. As with a claim
 * (../scheduling/claim.ts) the
 * worker's row is locked, but shared, and a pause that was committed since the statement's snapshot takes it away.
 */
const begun: Place = {
  name: 'submit_begun',
  with: `holder as materialized (
       select w.id from workers w where w.id = ${holder.id} and w.lease_until_at > now_ms()
         and w.epoch = (select e.epoch from workers e where e.id = ${holder.id}) for share
     ),`,
  from: `left join holder h on not exists (
         select from queues p where p.namespace = m.namespace and p.name = m.queue and p.paused_at is not null)`,
  columns: `case when h.id is null then 0 else 1 end, case when h.id is null then 0 else 1 end, h.id,
         case when h.id is not null then least(m.created_at + coalesce(m.attempt_timeout_ms, ${holder.attemptTimeoutMs}),
           m.deadline_at + ${endingMs}) end`,
  returning: 'returning task_id, state',
  running: `(select case when count(*) filter (where state = 1) < $2::int
         then coalesce(array_agg(task_id::text) filter (where state = 1), '{}') end from queued)`,
};

/**
 * `hasKeys`: one may be there already. Looking out for it and counting what was made costs about an eighth more, so a
 * batch without keys does not; a task that was submitted before then makes it fail as a whole, and `write_all` answers it.
 */
const submitOf = (place: Place, { hasKeys }: { hasKeys: boolean }): Statement<Row> =>
  statement<Row>(
    `${place.name}${hasKeys ? '_with_keys' : ''}`,
    `with clock as materialized (select greatest(now_ms(), $1::bigint) as at),
     made as (
       insert into tasks (namespace, id, kind, name, queue, priority, created_at, due_at, attempt_timeout_ms,
         idempotency_key, request_digest, parent_key, options, input, deadline_at)
       select x.namespace, x.id, x.kind, x.name, x.queue, x.priority, clock.at, x.due_at, x.attempt_timeout_ms,
         x.idempotency_key, x.request_digest, x.parent_key, x.options, x.input, coalesce(x.deadline_at, clock.at + x.timeout_ms)
       from ${submitted.sql}, clock
       ${hasKeys ? 'on conflict do nothing' : ''}
       returning namespace, id, queue, priority, created_at, due_at, attempt_timeout_ms, deadline_at
     ),${place.with}
     queued as (
       insert into queue (task_id, queue, priority, due_at, failures, namespace, has_children, has_inbox,
         task_deadline_at, state, attempt, worker_id, deadline_at)
       select m.id, m.queue, m.priority, coalesce(m.due_at, m.created_at), 0, m.namespace, false, false, m.deadline_at,
         ${place.columns}
       from made m ${place.from}
       ${place.returning}
     )
     select at, ${hasKeys ? madeIds : 'null'}, ${place.running} from clock where $2::int > 0`,
  );

const submitsTo = (place: Place) => ({
  plain: submitOf(place, { hasKeys: false }),
  withKeys: submitOf(place, { hasKeys: true }),
});
const submits = submitsTo(queued);
const begunSubmits = submitsTo(begun);
const hasKeys = (tasks: readonly NewTask[]): boolean =>
  tasks.some(({ idempotencyKey }) => idempotencyKey !== undefined);

/** Of the whole task, Unix ms. */
const deadlineOf = ({ deadlineAt, timeoutMs }: NewTask, createdAt: number): number | undefined =>
  deadlineAt ?? (timeoutMs === undefined ? undefined : createdAt + timeoutMs);
const keyOf = (task: NewTask): string => task.idempotencyKey ?? '';

/**
 * Creates tasks that are not there, and answers those; the others are left to `write_all`. In the order of their
 * idempotency keys, since a key that another transaction is writing is waited for.
 */
export const plainSubmit: PlainWrite<NewTask, SubmitResult, Row> = {
  statement: (tasks) => (hasKeys(tasks) ? submits.withKeys : submits.plain),
  sort: bySequence,
  encode: encodeTasks,
  answer: ([at, ids], tasks, turn) => {
    const isMade = inList(ids);
    return tasks.map((task) => (isMade(task) ? created(task, at, turn) : undefined));
  },
  atOf: ([at]) => at,
};

/** The same for tasks that one worker would begin. */
export const begunSubmit: PlainWrite<Submission, SubmitResult, Row> = {
  statement: (submissions) => (hasKeys(submissions.map(taskOf)) ? begunSubmits.withKeys : begunSubmits.plain),
  sort: (a, b) => bySequence(a.task, b.task),
  encode: (submissions, floor) => [
    ...encodeTasks(submissions.map(taskOf), floor),
    submissions[0]?.offer.workerId,
    submissions[0]?.offer.attemptTimeoutMs,
  ],
  answer: ([at, ids, running], submissions, turn) => {
    const isMade = inList(ids);
    const isRunning = inList(running);
    return submissions.map(({ task, offer }) => {
      if (!isMade(task)) return undefined;
      if (!isRunning(task)) return created(task, at, turn);
      const deadlineAt = deadlineOf(task, at);
      turn.changed.push(task.id);
      turn.dueAt = Math.min(turn.dueAt, deadlineAt ?? turn.dueAt);
      turn.begun.push({ offer, task: begunTask(task, offer, { at, deadlineAt }) });
      return { taskId: task.id, outcome: 'created', createdAt: at };
    });
  },
  atOf: ([at]) => at,
};

const taskOf = ({ task }: Submission): NewTask => task;

function inList(ids: readonly string[] | null): (task: NewTask) => boolean {
  const listed = ids === null ? undefined : new Set(ids);
  return ({ id }) => listed?.has(id.toLowerCase()) !== false;
}

function created(task: NewTask, at: number, turn: Turn): SubmitResult {
  if ((task.dueAt ?? 0) <= at) turn.ready.add(task.queue);
  else turn.dueAt = Math.min(turn.dueAt, task.dueAt ?? turn.dueAt);
  turn.dueAt = Math.min(turn.dueAt, deadlineOf(task, at) ?? turn.dueAt);
  return { taskId: task.id, outcome: 'created', createdAt: at };
}

function encodeTasks(tasks: readonly NewTask[], floor: number): unknown[] {
  return [floor, tasks.length, ...submitted.encode(tasks)];
}

function bySequence(a: NewTask, b: NewTask): number {
  return compare(keyOf(a), keyOf(b)) || compare(a.id, b.id);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
