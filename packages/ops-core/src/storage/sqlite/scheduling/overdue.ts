import type { DatabaseSync } from 'node:sqlite';
import { deadlineData } from '../../../domain/deadline.ts';
import { queueState } from '../../../domain/task-state.ts';
import type { Turn } from '../../turn.ts';
import { prepare } from '../database/statement.ts';
import type { Delivery } from '../writing/delivery.ts';
import { prepareFollowEnd } from '../writing/finish.ts';
import type { Limits } from './limits.ts';
import type { Transitions } from './transitions.ts';

type Text = string | null;
type Overdue = [
  taskId: string,
  namespace: string,
  attempt: number,
  deadlineAt: number,
  parentId: Text,
  sessionId: Text,
  hasChildren: number,
  limits: Text,
];

export interface OverdueParts {
  delivery: Delivery;
  transitions: Transitions;
  limits: Limits;
}

/**
 * Ends tasks whose time is up and that nobody runs, at most `limit`. Each end is written under a number of its own: what
 * the last attempt writes too late is refused.
 */
export function prepareEndOverdue(database: DatabaseSync, parts: OverdueParts) {
  const overdue = prepare<[number, number], Overdue>(
    database,
    `select task_id, namespace, attempt, task_deadline_at, parent_id, session_id, has_children, limits
     from queue indexed by queue_overdue
     where task_deadline_at is not null and state <> ${queueState.running} and task_deadline_at <= ?1
     order by task_deadline_at limit ?2`,
  );
  const openEffects = prepare<[string], [branch: Text, name: string, count: number]>(
    database,
    `select i.branch, i.name, i.count from journal i where i.task_id = ?1 and i.type = 'step.intended'
       and not exists (select 1 from journal r where r.task_id = ?1 and r.seq > i.seq and r.name = i.name
         and r.count = i.count and r.branch is i.branch and r.type in ('step.completed', 'step.failed', 'step.intended'))
     order by i.seq`,
  );
  const writeEnd = prepare<[string, string, number, number, string]>(
    database,
    `insert into outcomes (task_id, namespace, status, failures, seq, attempt, at, error_code, data)
     select ?1, ?2, 'failed', q.failures + 1, coalesce((select max(seq) from journal where task_id = ?1), 0) + 1, ?3, ?4,
       'deadline_exceeded', ?5
     from queue q where q.task_id = ?1`,
  );
  const leaveQueue = prepare<[string]>(database, 'delete from queue where task_id = ?1');
  const withdrawWaits = prepare<[string]>(database, 'delete from waits where task_id = ?1');
  const followEnd = prepareFollowEnd(database, parts);

  return (turn: Turn, limit: number): void => {
    for (const row of overdue.all(turn.at, limit)) {
      const [taskId, namespace, attempt, deadlineAt, parentId, sessionId, hasChildren, limits] = row;
      const effects = openEffects
        .all(taskId)
        .map(([branch, name, count]) => ({ branch: branch ?? '', name, count }));
      const data = deadlineData(deadlineAt, effects);
      writeEnd.get(taskId, namespace, attempt + 1, turn.at, data);
      leaveQueue.get(taskId);
      withdrawWaits.get(taskId);
      if (limits !== null) parts.limits.leave(turn, namespace, taskId, limits);
      followEnd(turn, { taskId, namespace, parentId, sessionId, hasChildren }, { status: 'failed', data });
      turn.changed.push(taskId);
    }
  };
}
