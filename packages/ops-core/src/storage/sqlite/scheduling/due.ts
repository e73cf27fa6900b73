import type { DatabaseSync } from 'node:sqlite';
import type { Turn } from '../../turn.ts';
import { prepare } from '../database/statement.ts';
import type { Operation } from '../writing/store-access.ts';
import type { Limits } from './limits.ts';
import { type OverdueParts, prepareEndOverdue } from './overdue.ts';

/**
 * Makes ready what is due, the longest due first, and ends what is overdue. Gives the next time of either; undefined when
 * nothing is put off.
 */
export function preparePromoteDue(
  database: DatabaseSync,
  parts: OverdueParts,
): Operation<number, number | undefined> {
  const { transitions, limits } = parts;
  const dueTasks = prepare<[number, number], [taskId: string, dueAt: number]>(
    database,
    `select task_id, due_at from queue indexed by queue_due
     where state in (2, 4) and due_at is not null and due_at <= ?1 order by due_at limit ?2`,
  );
  const nextDueAt = prepare<[], [dueAt: number | null]>(
    database,
    `select min(due_at) from (
       select * from (select due_at from queue indexed by queue_due
         where state in (2, 4) and due_at is not null order by due_at limit 1)
       union all select * from (select task_deadline_at from queue indexed by queue_overdue
         where task_deadline_at is not null and state <> 1 order by task_deadline_at limit 1)
       union all select * from (select due_at from rates where due_at is not null order by due_at limit 1))`,
  );
  const endOverdue = prepareEndOverdue(database, parts);
  const promoteRates = prepareDueRates(database, limits);
  return (turn, limit) => {
    endOverdue(turn, limit);
    promoteRates(turn, limit);
    for (const [taskId, dueAt] of dueTasks.all(turn.at, limit)) transitions.ready(turn, taskId, dueAt);
    limits.settle(turn);
    return nextDueAt.get()?.[0] ?? undefined;
  };
}

/** Lets the lines go on whose rate has room again, and forgets the rates of which nothing is used up. */
function prepareDueRates(database: DatabaseSync, limits: Limits) {
  const due = prepare<[number, number], [namespace: string, key: string]>(
    database,
    'select namespace, key from rates where due_at is not null and due_at <= ?1 order by due_at limit ?2',
  );
  const wake = prepare<[string, string]>(
    database,
    'update rates set due_at = null where namespace = ?1 and key = ?2',
  );
  const leftOver = prepare<[number], [id: number, namespace: string, key: string]>(
    database,
    'select id, namespace, key from unsettled order by id limit ?1',
  );
  const settled = prepare<[number]>(database, 'delete from unsettled where id = ?1');
  const forget = prepare<[number, number]>(
    database,
    `delete from rates where (namespace, key) in (
       select namespace, key from rates where due_at is null and full_at <= ?1 order by full_at limit ?2)`,
  );
  return (turn: Turn, limit: number): void => {
    for (const [id, namespace, key] of leftOver.all(limit)) {
      settled.get(id);
      limits.mark(turn, namespace, key);
    }
    for (const [namespace, key] of due.all(turn.at, limit)) {
      wake.get(namespace, key);
      limits.mark(turn, namespace, key);
    }
    forget.get(turn.at, limit);
  };
}
