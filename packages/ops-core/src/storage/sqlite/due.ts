import type { DatabaseSync } from 'node:sqlite';
import { prepare } from './statement.ts';
import type { Transitions } from './transitions.ts';
import type { Operation } from './turn.ts';

/** Makes ready what is due, the longest due first. Gives the next due time; undefined when nothing is put off. */
export function preparePromoteDue(
  database: DatabaseSync,
  transitions: Transitions,
): Operation<number, number | undefined> {
  const dueTasks = prepare<[number, number], [taskId: string, dueAt: number]>(
    database,
    `select task_id, due_at from queue indexed by queue_due
     where state in (2, 4) and due_at is not null and due_at <= ?1 order by due_at limit ?2`,
  );
  const nextDueAt = prepare<[], [dueAt: number]>(
    database,
    `select due_at from queue indexed by queue_due
     where state in (2, 4) and due_at is not null order by due_at limit 1`,
  );
  return (turn, limit) => {
    for (const [taskId, dueAt] of dueTasks.all(turn.at, limit)) transitions.ready(turn, taskId, dueAt);
    return nextDueAt.get()?.[0];
  };
}
