import type { TaskKind } from '@opspawn/sdk';
import { type ClaimRequest, endingMs, evenShares } from '../../claim-request.ts';
import { leaseLost, withColumns } from '../../rows/claimed-task.ts';
import type { ClaimedTask } from '../../store.ts';
import type { Turn } from '../../turn.ts';
import { type Statement, statement } from '../database/connections.ts';
import { fairOrder, laneFacts, ofAll, ofDefinitions } from './fair-order.ts';

type Text = string | null;

/** Of a claim that looked at several lanes. */
export interface LaneFacts {
  readonly lanes: number;
  /** How many tasks it meant to take. */
  readonly found: number;
  /** Where the next claim goes on; null behind the last lane. */
  readonly after: string | null;
}

/** All but the first four are null when nothing was ready. */
export type ClaimRow = [
  at: number,
  hasLease: boolean,
  isNew: boolean,
  lanes: LaneFacts | null,
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
  taskDeadlineAt: number | null,
];

/** Of queue q and tasks t, in the order of a ClaimRow. */
const columns = `q.task_id, q.attempt, q.failures, q.priority, q.due_at, q.deadline_at, q.namespace, t.kind, t.name,
  q.queue, t.created_at,
  case when q.attempt > 1 then (select max(j.seq) from journal j where j.task_id = q.task_id) end,
  q.has_inbox and exists (select from inbox i where i.task_id = q.task_id and i.taken_at is null),
  t.input, t.options, t.session_id, t.parent_id, q.task_deadline_at`;

/**
 * The worker's row is locked, also against its removal: otherwise a sweep could take back what the worker held and miss
 * what it is claiming. Its epoch is that of the statement's snapshot: when a pause was committed since, nothing is taken.
 * `= any(array(…))` keeps one plan, whatever the tables hold.
 */
const claimText = (which: string): string =>
  `with recursive clock as materialized (select greatest(now_ms(), $1::bigint) as at),
     turn as (
       update workers set claim_no = $6 where id = $2 and lease_until_at > now_ms() and claim_no < $6
         and epoch = (select w.epoch from workers w where w.id = $2)
       returning id
     ),${fairOrder(which)},
     claimed as (
       update queue q set state = 1, attempt = q.attempt + 1, worker_id = $2, claim_no = $6,
         deadline_at = least((select at from clock) + coalesce(t.attempt_timeout_ms, $5::bigint),
           q.task_deadline_at + ${endingMs})
       from tasks t
       where q.task_id = any(array(select task_id from candidate)) and exists (select from turn)
         and t.namespace = q.namespace and t.id = q.task_id
       returning ${columns}
     )
     select (select at from clock), exists (select from workers where id = $2 and lease_until_at > now_ms()),
       exists (select from turn), ${laneFacts}, claimed.*
     from (select) one left join claimed on true`;

const claimAny = statement<ClaimRow>('claim', claimText(ofAll));
const claimOwn = statement<ClaimRow>('claim_own', claimText(ofDefinitions));

/** Two, so that a worker that has all definitions pays for none. */
export const claimStatement = ({ definitions }: ClaimRequest): Statement<ClaimRow> =>
  definitions === undefined ? claimAny : claimOwn;

/** What a claim took whose answer was lost; without rows when it took nothing. */
export const earlierClaim = statement<ClaimRow>(
  'earlier_claim',
  `select greatest(now_ms(), $1::bigint), true, false, null, ${columns}
   from queue q join tasks t on t.namespace = q.namespace and t.id = q.task_id
   where q.worker_id = $2 and q.claim_no = $3 and q.state = 1`,
);

export interface ClaimPlace {
  readonly floor: number;
  /** Greater than that of every claim that this process made before. */
  readonly claimNo: number;
  /** The namespace behind which it looks; '' for all. */
  readonly after: string;
}

export const encodeClaim = (request: ClaimRequest, { floor, claimNo, after }: ClaimPlace): unknown[] => [
  floor,
  request.workerId,
  [...new Set(request.queues)],
  Math.max(0, request.limit),
  request.attemptTimeoutMs,
  claimNo,
  JSON.stringify(request.shares ?? evenShares),
  after,
  ...(request.definitions === undefined ? [] : [request.definitions]),
];

/** Whether the claim of this number was made before, and its answer lost. */
export const wasClaimedBefore = (rows: readonly ClaimRow[]): boolean => rows[0]?.[1] === true && !rows[0][2];

/** The claimed tasks, most urgent first. Throws `lease_lost` for a worker that is not registered, or no more. */
export function claimedTasks(
  rows: readonly ClaimRow[],
  { workerId }: ClaimRequest,
  turn: Turn,
): ClaimedTask[] {
  if (rows[0]?.[1] === false) throw leaseLost(workerId);
  const claimed = rows.filter((row) => row[4] !== null).sort(byUrgency);
  return claimed.map((row) => {
    const task = claimedTask(row, workerId, turn.at);
    turn.changed.push(task.taskId);
    return task;
  });
}

const byUrgency = (a: ClaimRow, b: ClaimRow): number =>
  a[7] - b[7] || a[8] - b[8] || ((a[4] ?? '') < (b[4] ?? '') ? -1 : 1);

function claimedTask(row: ClaimRow, workerId: string, claimedAt: number): ClaimedTask {
  const [
    ,
    ,
    ,
    ,
    taskId,
    attempt,
    failures,
    ,
    ,
    deadlineAt,
    namespace,
    kind,
    name,
    queue,
    createdAt,
    lastSeq,
  ] = row;
  const [hasInbox, input, options, sessionId, parentId, taskDeadlineAt] = row.slice(16) as [
    boolean,
    Text,
    Text,
    Text,
    Text,
    number | null,
  ];
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
  return withColumns(claimed, { input, options, sessionId, parentId, taskDeadlineAt });
}
