import type { DatabaseSync } from 'node:sqlite';
import type { Turn } from '../../turn.ts';
import { textOf } from '../database/blobs.ts';
import { prepare } from '../database/statement.ts';
import type { Limits } from '../scheduling/limits.ts';
import { type FinishParts, prepareFollowEnd } from './finish.ts';
import type { Inbox } from './inbox.ts';

type Text = string | null;
type Unbegun = [namespace: string, parentId: Text, sessionId: Text, hasChildren: number, limits: Text];

/**
 * Ends a task that no attempt has begun: none has anything to clean up, so that none is needed for the end either. It is
 * the end of attempt 0.
 */
export function prepareCancelUnbegun(
  database: DatabaseSync,
  parts: Pick<FinishParts, 'delivery' | 'transitions'> & { limits: Limits; inbox: Inbox },
) {
  const find = prepare<[string], Unbegun>(
    database,
    'select namespace, parent_id, session_id, has_children, limits from queue where task_id = ?1',
  );
  const dataOf = prepare<[string], [data: Text]>(
    database,
    `select ${textOf('i', 'data', 'blob_id')} from inbox i where i.id = ?1`,
  );
  const writeEnd = prepare<[string, string, number, string]>(
    database,
    `insert into outcomes (task_id, namespace, status, failures, seq, attempt, at, data)
     select ?1, ?2, 'cancelled', q.failures, 1, 0, ?3, ?4 from queue q where q.task_id = ?1`,
  );
  const leaveQueue = prepare<[string]>(database, 'delete from queue where task_id = ?1');
  const followEnd = prepareFollowEnd(database, parts);

  return (turn: Turn, taskId: string, itemId: string): void => {
    const row = find.get(taskId);
    if (row === undefined) return;
    const [namespace, parentId, sessionId, hasChildren, limits] = row;
    // It says the reason, as the end does.
    const data = dataOf.get(itemId)?.[0] ?? '{"reason":"cancelled"}';
    parts.inbox.take(turn, taskId, [itemId]);
    writeEnd.get(taskId, namespace, turn.at, data);
    leaveQueue.get(taskId);
    if (limits !== null) parts.limits.leave(turn, namespace, taskId, limits);
    followEnd(turn, { taskId, namespace, parentId, sessionId, hasChildren }, { status: 'cancelled', data });
    turn.changed.push(taskId);
  };
}
