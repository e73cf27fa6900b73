import type { DatabaseSync } from 'node:sqlite';
import type { TaskKind } from '@opspawn/sdk';
import { queueState } from '../../../domain/task-state.ts';
import { type ClaimRequest, endingMs } from '../../claim-request.ts';
import { leaseLost, withColumns } from '../../rows/claimed-task.ts';
import type { ClaimedTask } from '../../store.ts';
import { textOf } from '../database/blobs.ts';
import { prepare } from '../database/statement.ts';
import type { Operation } from '../writing/store-access.ts';
import { byUrgency, prepareFairOrder } from './fair-order.ts';
import type { HoldsLease } from './lease.ts';

type Text = string | null;

type ReadyTask = [
  taskId: string,
  attempt: number,
  failures: number,
  priority: number,
  dueAt: number,
  attemptTimeoutMs: number | null,
  namespace: string,
  kind: TaskKind,
  name: string,
  queue: string,
  createdAt: number,
  lastSeq: number | null,
  hasInbox: number,
  input: Text,
  options: Text,
  sessionId: Text,
  parentId: Text,
  taskDeadlineAt: number | null,
];

/** Throws `lease_lost` for a worker that is not registered, or no more. */
export function prepareClaim(
  database: DatabaseSync,
  holdsLease: HoldsLease,
): Operation<ClaimRequest, readonly ClaimedTask[]> {
  const readyTasks = prepareFront<[string, string, number, Text]>(
    database,
    'queue_ready',
    `q.queue = ?1 and q.namespace = ?2 and q.state = ${queueState.ready} and ${isOwn('?4')}
     order by q.priority, q.due_at, q.task_id limit ?3`,
  );
  const endingTasks = prepareFront<[string, number, Text]>(
    database,
    'queue_ending',
    `q.queue = ?1 and q.state = ${queueState.ending} and ${isOwn('?3')} order by q.task_id limit ?2`,
  );
  const fairOrder = prepareFairOrder(database);
  const setRunning = prepare<[string, number, string, number]>(
    database,
    `update queue set state = ${queueState.running}, attempt = ?2, worker_id = ?3, deadline_at = ?4
     where task_id = ?1`,
  );

  return (turn, request) => {
    const { workerId, limit, shares } = request;
    const definitions = request.definitions === undefined ? null : JSON.stringify(request.definitions);
    if (!holdsLease(workerId)) throw leaseLost(workerId);
    if (limit <= 0) return [];
    const queues = [...new Set(request.queues)];
    const take = (row: ReadyTask): ReadyTask => {
      setRunning.get(row[0], row[1] + 1, workerId, deadlineOf(row, request, turn.at));
      turn.changed.push(row[0]);
      return row;
    };
    const taken = queues
      .flatMap((queue) => endingTasks.all(queue, limit, definitions))
      .slice(0, limit)
      .map(take);
    while (taken.length < limit) {
      const { sizes, isAll } = fairOrder(queues, limit - taken.length, { shares, definitions });
      for (const [{ queue, namespace }, size] of sizes)
        taken.push(...readyTasks.all(queue, namespace, size, definitions).map(take));
      if (isAll || sizes.length === 0) break;
    }
    taken.sort((a, b) => byUrgency([a[3], a[4], a[0]], [b[3], b[4], b[0]]));
    return taken.map((row) => claimedTask(row, request, turn.at));
  };
}

/** Whether task t is of one of the definitions of that JSON array; all are when it is null. */
const isOwn = (definitions: string): string =>
  `(${definitions} is null or t.kind || ' ' || t.name in (select value from json_each(${definitions})))`;

/** With all that a claim gives of them. */
const prepareFront = <Parameters extends (string | number | null)[]>(
  database: DatabaseSync,
  index: string,
  which: string,
) =>
  prepare<Parameters, ReadyTask>(
    database,
    `select q.task_id, q.attempt, q.failures, q.priority, q.due_at, t.attempt_timeout_ms, t.namespace, t.kind, t.name,
       t.queue, t.created_at,
       case when q.attempt > 0 then (select max(j.seq) from journal j where j.task_id = q.task_id) end,
       q.has_inbox and exists (select 1 from inbox i where i.task_id = q.task_id and i.taken_at is null),
       ${textOf('t', 'input', 'input_blob')}, t.options, t.session_id, t.parent_id, q.task_deadline_at
     from queue q indexed by ${index} cross join tasks t on t.namespace = q.namespace and t.id = q.task_id
     where ${which}`,
  );

/** Of the attempt. */
const deadlineOf = (row: ReadyTask, { attemptTimeoutMs }: ClaimRequest, at: number): number =>
  Math.min(at + (row[5] ?? attemptTimeoutMs), (row[17] ?? Number.POSITIVE_INFINITY) + endingMs);

function claimedTask(row: ReadyTask, request: ClaimRequest, claimedAt: number): ClaimedTask {
  const input = row[13];
  const options = row[14];
  const sessionId = row[15];
  const parentId = row[16];
  const taskDeadlineAt = row[17];
  const claimed: ClaimedTask = {
    taskId: row[0],
    attempt: row[1] + 1,
    workerId: request.workerId,
    failures: row[2],
    namespace: row[6],
    kind: row[7],
    name: row[8],
    queue: row[9],
    createdAt: row[10],
    lastSeq: row[11] ?? 0,
    hasInbox: row[12] !== 0,
    claimedAt,
    deadlineAt: deadlineOf(row, request, claimedAt),
  };
  return withColumns(claimed, { input, options, sessionId, parentId, taskDeadlineAt });
}
