import type { LimitSetting, LimitState } from '../../parts/flow-control.ts';
import { nextStartAt, parseLimits, settingFrom } from '../../rows/task-limits.ts';
import { statement } from '../database/connections.ts';
import { toText } from '../database/text.ts';
import type { Told } from '../writing/write-all.ts';

type Int = number | null;
type Row = [
  key: string,
  isSet: boolean,
  maxRunning: Int,
  rateCount: Int,
  rateIntervalMs: Int,
  running: number,
  waiting: number,
  holders: readonly string[],
  fullAt: Int,
  firstInLine: string | null,
];

export const setLimit = statement<[Told]>('set_limit', 'select set_limit($1, $2, $3, $4, $5, $6)');

export const encodeLimit = (namespace: string, { key, maxRunning, rate }: LimitSetting): unknown[] => [
  namespace,
  toText(key),
  maxRunning ?? null,
  rate?.count ?? null,
  rate?.intervalMs ?? null,
];

export const removeLimit = statement<[Told & { readonly isRemoved: boolean }]>(
  'remove_limit',
  'select remove_limit($1, $2, $3)',
);

/** How many tasks of a line are counted; more are said to be so many. */
const mostCounted = 10_000;

const limitsWhere = (keys: string): string => `
  select k.key, l.key is not null, l.max_running, l.rate_count, l.rate_interval_ms,
    (select count(*) from (select from slots s where s.namespace = $1 and s.key = k.key limit ${mostCounted}) taken),
    (select count(*) from (
      select from queue q where q.namespace = $1 and q.blocked_by = k.key and q.state = 6 limit ${mostCounted}) line),
    array(select task_id::text from slots s where s.namespace = $1 and s.key = k.key order by task_id limit 10),
    (select full_at from rates r where r.namespace = $1 and r.key = k.key),
    (select limits from queue q where q.namespace = $1 and q.blocked_by = k.key and q.state = 6
     order by priority, due_at, task_id limit 1)
  from ${keys} k left join limits l on l.namespace = $1 and l.key = k.key order by k.key`;

export const limitKeysOf = statement<[key: string]>(
  'limit_keys',
  'select key from limits where namespace = $1 order by key',
);
export const limitsOf = statement<Row>(
  'limits',
  limitsWhere('(select key from limits where namespace = $1)'),
);
export const limitOf = statement<Row>('limit', limitsWhere('(select $2::text collate "C" as key)'));

export function toLimitState(row: Row): LimitState {
  const [key, isSet, maxRunning, count, intervalMs, running, waiting, holders, fullAt, firstInLine] = row;
  const setting = isSet ? { key, ...settingFrom([maxRunning, count, intervalMs]) } : undefined;
  const { rate } = setting ?? parseLimits(firstInLine).find((limit) => limit.key === key) ?? {};
  return {
    key,
    ...(setting === undefined ? {} : { setting }),
    running,
    waiting,
    holders,
    ...(rate === undefined || fullAt === null ? {} : { nextStartAt: nextStartAt(rate, fullAt) }),
  };
}
