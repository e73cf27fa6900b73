import type { DatabaseSync } from 'node:sqlite';
import { queueState } from '../../../domain/task-state.ts';
import type { LimitSetting, LimitState } from '../../parts/flow-control.ts';
import { type LimitSettingRow, nextStartAt, parseLimits, settingFrom } from '../../rows/task-limits.ts';
import { prepare } from '../database/statement.ts';
import type { Limits } from '../scheduling/limits.ts';
import type { Operation } from '../writing/store-access.ts';

export function prepareLimitSettings(database: DatabaseSync, limits: Limits) {
  const set = prepare<[string, string, number | null, number | null, number | null]>(
    database,
    `insert into limits (namespace, key, max_running, rate_count, rate_interval_ms) values (?1, ?2, ?3, ?4, ?5)
     on conflict do update set max_running = excluded.max_running, rate_count = excluded.rate_count,
       rate_interval_ms = excluded.rate_interval_ms`,
  );
  const remove = prepare<[string, string]>(database, 'delete from limits where namespace = ?1 and key = ?2');
  const setLimit: Operation<{ namespace: string; setting: LimitSetting }, void> = (
    turn,
    { namespace, setting: { key, maxRunning, rate } },
  ) => {
    set.get(namespace, key, maxRunning ?? null, rate?.count ?? null, rate?.intervalMs ?? null);
    limits.mark(turn, namespace, key);
  };
  const removeLimit: Operation<{ namespace: string; key: string }, boolean> = (turn, { namespace, key }) => {
    limits.mark(turn, namespace, key);
    return remove.run(namespace, key).changes === 1;
  };
  return { setLimit, removeLimit };
}

/** How many tasks of a line are counted; more are said to be so many. */
const mostCounted = 10_000;

export function prepareLimitView(database: DatabaseSync) {
  const settings = prepare<[string], [key: string]>(
    database,
    'select key from limits where namespace = ?1 order by key',
  );
  const one = prepare<[string, string], LimitSettingRow>(
    database,
    'select max_running, rate_count, rate_interval_ms from limits where namespace = ?1 and key = ?2',
  );
  const counts = prepare<[string, string], [running: number, waiting: number, fullAt: number | null]>(
    database,
    `select (select count(*) from (
         select 1 from slots where namespace = ?1 and key = ?2 limit ${mostCounted})),
       (select count(*) from (
         select 1 from queue where namespace = ?1 and blocked_by = ?2 and state = ${queueState.limited}
         limit ${mostCounted})),
       (select full_at from rates where namespace = ?1 and key = ?2)`,
  );
  const holders = prepare<[string, string], [taskId: string]>(
    database,
    'select task_id from slots where namespace = ?1 and key = ?2 order by task_id limit 10',
  );
  const firstInLine = prepare<[string, string], [limits: string]>(
    database,
    `select limits from queue where namespace = ?1 and blocked_by = ?2 and state = ${queueState.limited}
     order by priority, due_at, task_id limit 1`,
  );

  const limit = (namespace: string, key: string): LimitState => {
    const row = one.get(namespace, key);
    const setting = row === undefined ? undefined : { key, ...settingFrom(row) };
    const [running = 0, waiting = 0, fullAt = null] = counts.get(namespace, key) ?? [];
    const inLine = parseLimits(firstInLine.get(namespace, key)?.[0] ?? null).find((one) => one.key === key);
    const { rate } = setting ?? inLine ?? {};
    return {
      key,
      ...(setting === undefined ? {} : { setting }),
      running,
      waiting,
      holders: holders.all(namespace, key).map(([taskId]) => taskId),
      ...(rate === undefined || fullAt === null ? {} : { nextStartAt: nextStartAt(rate, fullAt) }),
    };
  };
  return {
    limit,
    limitKeys: (namespace: string): string[] => settings.all(namespace).map(([key]) => key),
    limits: (namespace: string): LimitState[] =>
      settings.all(namespace).map(([key]) => limit(namespace, key)),
  };
}
