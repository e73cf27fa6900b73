import type { DatabaseSync } from 'node:sqlite';
import { queueState } from '../../../domain/task-state.ts';
import type { Rate, TaskLimit } from '../../parts/flow-control.ts';
import { type LimitSettingRow, nextStartAt, parseLimits, settingFrom } from '../../rows/task-limits.ts';
import type { Turn } from '../../turn.ts';
import { prepare } from '../database/statement.ts';

/** Keys of a turn are kept as one text; a namespace has no control characters. */
const separator = '\u001f';

/**
 * The places of tasks under their keys. Who changes something under a key marks it; `settle` fills what is free, once
 * for each key and transaction, from what the tables hold and from nothing else, so that no place is lost or taken twice.
 */
export function prepareLimits(database: DatabaseSync) {
  const take = prepare<[string, string, string]>(
    database,
    'insert into slots (namespace, key, task_id) values (?1, ?2, ?3) on conflict do nothing',
  );
  const leave = prepare<[string, string, string]>(
    database,
    'delete from slots where namespace = ?1 and key = ?2 and task_id = ?3',
  );
  const settleKey = prepareSettleKey(database);

  const mark = (turn: Turn, namespace: string, key: string): void => {
    turn.unsettled.add(namespace + separator + key);
  };
  const takeAll = (namespace: string, taskId: string, limits: readonly TaskLimit[]): void => {
    for (const { key } of limits) take.get(namespace, key, taskId);
  };

  return {
    mark,
    /** Whatever the limits say. */
    take: (namespace: string, taskId: string, text: string): void =>
      takeAll(namespace, taskId, parseLimits(text)),
    /** Gives up what the task has, and lets those in line go on. */
    leave(turn: Turn, namespace: string, taskId: string, text: string): void {
      for (const { key } of parseLimits(text)) {
        leave.get(namespace, key, taskId);
        mark(turn, namespace, key);
      }
    },
    /** Makes ready who may run. Before each claim and each commit. */
    settle(turn: Turn): void {
      // As PostgreSQL does it, by name: of two tasks that want the same places either may go first.
      for (const marked of [...turn.unsettled].sort()) {
        const [namespace = '', key = ''] = marked.split(separator, 2);
        settleKey(turn, namespace, key, takeAll);
      }
      turn.unsettled.clear();
    },
  };
}

export type Limits = ReturnType<typeof prepareLimits>;

type Head = [taskId: string, limits: string, queue: string];

/** Lets the tasks in the line of a key go, in the order in which they would be claimed, up to the first that may not. */
function prepareSettleKey(database: DatabaseSync) {
  const firstInLine = prepare<[string, string], Head>(
    database,
    `select task_id, limits, queue from queue indexed by queue_limited
     where namespace = ?1 and blocked_by = ?2 and state = ${queueState.limited}
     order by priority, due_at, task_id limit 1`,
  );
  const moveTo = prepare<[string, string]>(database, 'update queue set blocked_by = ?2 where task_id = ?1');
  const setReady = prepare<[string]>(
    database,
    `update queue set state = ${queueState.ready}, blocked_by = null where task_id = ?1`,
  );
  const { admits, start } = prepareAdmission(database);

  return (
    turn: Turn,
    namespace: string,
    key: string,
    takeAll: (namespace: string, taskId: string, limits: readonly TaskLimit[]) => void,
  ): void => {
    for (;;) {
      const head = firstInLine.get(namespace, key);
      if (head === undefined) return;
      const [taskId, text, queue] = head;
      const limits = parseLimits(text);
      const refusing = limits.find((limit) => !admits(turn, namespace, limit));
      if (refusing?.key === key) return;
      if (refusing !== undefined) {
        moveTo.get(taskId, refusing.key);
        continue;
      }
      takeAll(namespace, taskId, limits);
      for (const limit of limits) start(turn, namespace, limit);
      setReady.get(taskId);
      turn.ready.add(queue);
      turn.changed.push(taskId);
    }
  };
}

/** Whether a key has a place free, and what a start takes from its rate. */
function prepareAdmission(database: DatabaseSync) {
  const settingOf = prepare<[string, string], LimitSettingRow>(
    database,
    'select max_running, rate_count, rate_interval_ms from limits where namespace = ?1 and key = ?2',
  );
  const running = prepare<[string, string, number], [number]>(
    database,
    'select count(*) from (select 1 from slots where namespace = ?1 and key = ?2 limit ?3)',
  );
  const fullAt = prepare<[string, string], [number]>(
    database,
    'select full_at from rates where namespace = ?1 and key = ?2',
  );
  const wakeAt = prepare<[string, string, number]>(
    database,
    'update rates set due_at = ?3 where namespace = ?1 and key = ?2',
  );
  const use = prepare<[string, string, number]>(
    database,
    `insert into rates (namespace, key, full_at) values (?1, ?2, ?3)
     on conflict do update set full_at = excluded.full_at, due_at = null`,
  );

  const inForce = (namespace: string, limit: TaskLimit): TaskLimit => {
    const setting = settingOf.get(namespace, limit.key);
    return setting === undefined ? limit : { key: limit.key, ...settingFrom(setting) };
  };
  const rateAdmits = (turn: Turn, namespace: string, key: string, rate: Rate): boolean => {
    const nextAt = nextStartAt(rate, fullAt.get(namespace, key)?.[0] ?? 0);
    if (nextAt <= turn.at) return true;
    wakeAt.get(namespace, key, nextAt);
    turn.dueAt = Math.min(turn.dueAt, nextAt);
    return false;
  };

  return {
    admits(turn: Turn, namespace: string, limit: TaskLimit): boolean {
      const { key, maxRunning, rate } = inForce(namespace, limit);
      if (maxRunning !== undefined && (running.get(namespace, key, maxRunning)?.[0] ?? 0) >= maxRunning)
        return false;
      return rate === undefined || rateAdmits(turn, namespace, key, rate);
    },
    start(turn: Turn, namespace: string, limit: TaskLimit): void {
      const { key, rate } = inForce(namespace, limit);
      if (rate === undefined) return;
      const used = Math.max(turn.at, fullAt.get(namespace, key)?.[0] ?? 0);
      use.get(namespace, key, used + rate.intervalMs / rate.count);
    },
  };
}
