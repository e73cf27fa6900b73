import type { DatabaseSync } from 'node:sqlite';
import type { TaskStatus } from '@opspawn/sdk';
import { type QueueState, statusOfState } from '../../../domain/task-state.ts';
import { parseLimits } from '../../rows/task-limits.ts';
import type { OutsideResult, PostWrite, ReopenWrite } from '../../store.ts';
import { prepare } from '../database/statement.ts';
import type { Enqueue } from '../scheduling/enqueue.ts';
import { prepareOwnLimits } from '../scheduling/own-limits.ts';
import type { Delivery } from './delivery.ts';
import type { Inbox } from './inbox.ts';
import type { Operation } from './store-access.ts';

type Text = string | null;

/** Why nothing from outside reaches a task: it ended, it is in that state, or this namespace has none of that id. */
type Refuse = (namespace: string, taskId: string) => OutsideResult;

export function prepareRefuse(database: DatabaseSync): Refuse {
  const find = prepare<[string, string], [QueueState | null, TaskStatus | null]>(
    database,
    `select q.state, o.status from tasks t
     left join queue q on q.task_id = t.id
     left join outcomes o on o.task_id = t.id
     where t.namespace = ?1 and t.id = ?2`,
  );
  return (namespace, taskId) => {
    const row = find.get(namespace, taskId);
    if (row === undefined) return { ok: false, reason: 'not_found' };
    const status = row[1] ?? (row[0] === null ? undefined : statusOfState[row[0]]);
    return { ok: false, reason: 'wrong_state', ...(status === undefined ? {} : { status }) };
  };
}

export function preparePost(parts: {
  inbox: Inbox;
  delivery: Delivery;
  refuse: Refuse;
}): Operation<PostWrite, OutsideResult> {
  const { inbox, delivery, refuse } = parts;
  return (turn, { namespace, taskId, item }) => {
    const isTaken =
      item.kind === 'decision' && !inbox.wasPosted(taskId, item.id) && !delivery.asks(turn, taskId, item.key);
    if (isTaken) {
      const refusal = refuse(namespace, taskId);
      return refusal.ok || refusal.reason === 'not_found' ? refusal : { ...refusal, reason: 'not_open' };
    }
    if (delivery.post(turn, namespace, taskId, item)) return { ok: true };
    const refusal = refuse(namespace, taskId);
    const isRepeated = !refusal.ok && refusal.reason === 'wrong_state' && inbox.wasPosted(taskId, item.id);
    return isRepeated ? { ok: true } : refusal;
  };
}

type FailedTask = [
  queue: string,
  priority: number,
  sessionId: Text,
  parentId: Text,
  attempt: number,
  hasChildren: number,
  limits: Text,
  timeMs: number | null,
];

export function prepareReopen(
  database: DatabaseSync,
  parts: { inbox: Inbox; enqueue: Enqueue; refuse: Refuse },
): Operation<ReopenWrite, OutsideResult> {
  const { inbox, enqueue, refuse } = parts;
  const ownLimits = prepareOwnLimits(database);
  const findFailed = prepare<[string, string], FailedTask>(
    database,
    `select t.queue, t.priority, t.session_id, t.parent_id, o.attempt,
       exists (select 1 from tasks c where c.parent_id = t.id), t.limits, t.deadline_at - t.created_at
     from tasks t join outcomes o on o.task_id = t.id
     where t.namespace = ?1 and t.id = ?2 and o.status = 'failed'`,
  );
  const endToJournal = prepare<[string]>(
    database,
    `insert into journal (task_id, seq, type, attempt, at, asked, blob_id, data)
     select task_id, seq, 'task.' || status, attempt, at, asked, blob_id, data from outcomes where task_id = ?1`,
  );
  const removeOutcome = prepare<[string]>(database, 'delete from outcomes where task_id = ?1');
  const isInNamespace = (namespace: string, taskId: string): boolean => {
    const refusal = refuse(namespace, taskId);
    return refusal.ok || refusal.reason === 'wrong_state';
  };

  return (turn, { namespace, taskId, itemId }) => {
    if (inbox.wasPosted(taskId, itemId) && isInNamespace(namespace, taskId)) return { ok: true };
    const failed = findFailed.get(namespace, taskId);
    if (failed === undefined) return refuse(namespace, taskId);
    const [queue, priority, sessionId, parentId, attempt, hasChildren, limits, timeMs] = failed;
    endToJournal.get(taskId);
    removeOutcome.get(taskId);
    enqueue(turn, {
      taskId,
      namespace,
      queue,
      priority,
      dueAt: turn.at,
      attempt,
      parentId: parentId ?? undefined,
      sessionId: parentId === null ? (sessionId ?? undefined) : undefined,
      hasChildren: hasChildren !== 0,
      deadlineAt: timeMs === null ? undefined : turn.at + timeMs,
      limits:
        limits === null
          ? null
          : ownLimits({ namespace, limits: parseLimits(limits), ...(parentId === null ? {} : { parentId }) }),
    });
    inbox.put(turn, taskId, { id: itemId, kind: 'reopen', key: '' });
    return { ok: true };
  };
}
