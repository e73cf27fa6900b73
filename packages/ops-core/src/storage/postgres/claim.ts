import { OpspawnError } from '@opspawn/agentkit/schema';
import type { TaskKind } from '@opspawn/sdk';
import type { Turn } from '../sqlite/turn.ts';
import type { ClaimedTask, Store } from '../store.ts';
import { type Statement, statement } from './connections.ts';

type Text = string | null;
type ClaimRequest = Parameters<Store['claim']>[0];

/** All but the first three are null when nothing was ready. */
type Row = [
  at: number,
  hasLease: boolean,
  isNew: boolean,
  taskId: Text,
  attempt: number,
  failures: number,
  priority: number,
  dueAt: number,
  deadlineAt: number,
  namespace: string,
  kind: TaskKind,
  name: string,
  queue: string,
  createdAt: number,
  lastSeq: number | null,
  hasInbox: boolean,
  input: Text,
  options: Text,
  sessionId: Text,
  parentId: Text,
];

/** The most urgent ready tasks of one queue, that nobody else is claiming now. */
const ready = (queue: string, limit: string): string =>
  `select q.task_id from queue q where q.queue = ${queue} and q.state = 0
   order by q.priority, q.due_at, q.task_id limit ${limit} for update skip locked`;

/** Of several queues: first how many of each are among the most urgent of all, so that no more are locked than taken. */
const readyOfAll = `
  select r.task_id from (
    select queue, count(*) as share from (
      select top.queue from unnest($3::text[]) as u (queue), lateral (
        select q.queue, q.priority, q.due_at, q.task_id from queue q where q.queue = u.queue and q.state = 0
        order by q.priority, q.due_at, q.task_id limit $4
      ) top order by top.priority, top.due_at, top.task_id limit $4
    ) shares group by queue
  ) s, lateral (${ready('s.queue', 's.share')}) r`;

/** Of queue q and tasks t, in the order of a Row. */
const columns = `q.task_id, q.attempt, q.failures, q.priority, q.due_at, q.deadline_at, q.namespace, t.kind, t.name,
  q.queue, t.created_at,
  case when q.attempt > 1 then (select max(j.seq) from journal j where j.task_id = q.task_id) end,
  q.has_inbox and exists (select from inbox i where i.task_id = q.task_id and i.taken_at is null),
  t.input, t.options, t.session_id, t.parent_id`;

/**
 * The worker's row is locked, also against its removal: otherwise a sweep could take back what the worker held and miss
 * what it is claiming. `= any(array(…))` keeps one plan, whatever the tables hold.
 */
const claimOf = (name: string, candidates: string): Statement<Row> =>
  statement<Row>(
    name,
    `with clock as materialized (select greatest(now_ms(), $1::bigint) as at),
     turn as (
       update workers set claim_no = $6 where id = $2 and lease_until_at > now_ms() and claim_no < $6 returning id
     ),
     claimed as (
       update queue q set state = 1, attempt = q.attempt + 1, worker_id = $2, claim_no = $6,
         deadline_at = (select at from clock) + coalesce(t.attempt_timeout_ms, $5::bigint)
       from tasks t
       where q.task_id = any(array(${candidates})) and exists (select from turn)
         and t.namespace = q.namespace and t.id = q.task_id
       returning ${columns}
     )
     select (select at from clock), exists (select from workers where id = $2 and lease_until_at > now_ms()),
       exists (select from turn), claimed.*
     from (select) one left join claimed on true`,
  );

/** What a claim took whose answer was lost; without rows when it took nothing. */
export const earlierClaim = statement<Row>(
  'earlier_claim',
  `select greatest(now_ms(), $1::bigint), true, false, ${columns}
   from queue q join tasks t on t.namespace = q.namespace and t.id = q.task_id
   where q.worker_id = $2 and q.claim_no = $3 and q.state = 1`,
);

const claimFromOne = claimOf('claim', ready('($3::text[])[1]', '$4'));
const claimFromSeveral = claimOf('claim_of_several', readyOfAll);

export const claimStatement = ({ queues }: ClaimRequest): Statement<Row> =>
  queues.length === 1 ? claimFromOne : claimFromSeveral;

/** `claimNo`: greater than that of every claim that this process made before. */
export const encodeClaim = (request: ClaimRequest, floor: number, claimNo: number): unknown[] => [
  floor,
  request.workerId,
  [...new Set(request.queues)],
  Math.max(0, request.limit),
  request.attemptTimeoutMs,
  claimNo,
];

/** Whether the claim of this number was made before, and its answer lost. */
export const wasClaimedBefore = (rows: readonly Row[]): boolean => rows[0]?.[1] === true && !rows[0][2];

/** The claimed tasks, most urgent first. Throws `lease_lost` for a worker that is not registered, or no more. */
export function claimedTasks(rows: readonly Row[], { workerId }: ClaimRequest, turn: Turn): ClaimedTask[] {
  if (rows[0]?.[1] === false) throw leaseLost(workerId);
  const claimed = rows.filter((row) => row[3] !== null).sort(byUrgency);
  return claimed.map((row) => {
    const task = claimedTask(row, workerId, turn.at);
    turn.changed.push(task.taskId);
    return task;
  });
}

const byUrgency = (a: Row, b: Row): number =>
  a[6] - b[6] || a[7] - b[7] || ((a[3] ?? '') < (b[3] ?? '') ? -1 : 1);

function claimedTask(row: Row, workerId: string, claimedAt: number): ClaimedTask {
  const [, , , taskId, attempt, failures, , , deadlineAt, namespace, kind, name, queue, createdAt, lastSeq] =
    row;
  const [hasInbox, input, options, sessionId, parentId] = row.slice(15) as [boolean, Text, Text, Text, Text];
  const claimed: ClaimedTask = {
    taskId: taskId ?? '',
    attempt,
    workerId,
    failures,
    namespace,
    kind,
    name,
    queue,
    createdAt,
    lastSeq: lastSeq ?? 0,
    hasInbox,
    claimedAt,
    deadlineAt,
  };
  if (input !== null) claimed.input = input;
  if (options !== null) claimed.options = options;
  if (sessionId !== null) claimed.sessionId = sessionId;
  if (parentId !== null) claimed.parentId = parentId;
  return claimed;
}

const leaseLost = (workerId: string): OpspawnError =>
  new OpspawnError('lease_lost', `Worker ${workerId} holds no lease`, { details: { workerId } });
