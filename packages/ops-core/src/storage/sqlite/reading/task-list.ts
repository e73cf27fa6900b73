import type { SQLInputValue } from 'node:sqlite';
import { clockSlackMs, idAt } from '../../rows/id-time.ts';
import { type Statuses, splitStatuses } from '../../rows/statuses.ts';
import type { TaskFilter, TaskPage } from '../../store.ts';

interface Source {
  /** Tasks t, queue q and outcomes o, read in the order of `id`. */
  readonly from: string;
  readonly id: string;
  readonly namespace: string;
}

const byTask: Source = {
  from: 'tasks t left join queue q on q.task_id = t.id left join outcomes o on o.task_id = t.id',
  id: 't.id',
  namespace: 't.namespace',
};
/** The queue is small beside the tasks that have ended. */
const byQueue: Source = {
  from: `queue q cross join tasks t on t.namespace = q.namespace and t.id = q.task_id
    left join outcomes o on o.task_id = t.id`,
  id: 'q.task_id',
  namespace: 'q.namespace',
};
const byFailure: Source = {
  from: `outcomes o indexed by outcomes_unsuccessful cross join tasks t on t.namespace = o.namespace and t.id = o.task_id
    left join queue q on q.task_id = t.id`,
  id: 'o.task_id',
  namespace: 'o.namespace',
};
const byErrorCode: Source = {
  ...byFailure,
  from: byFailure.from.replace('outcomes_unsuccessful', 'outcomes_failed'),
};

type Condition = readonly [sql: string, ...parameters: SQLInputValue[]];

/** A list by the index that fits the filter; without `columns`, of ids. */
export function listQuery(
  columns: string | undefined,
  filter: TaskFilter,
  page: TaskPage,
): { sql: string; parameters: SQLInputValue[] } {
  const statuses = splitStatuses(filter.status);
  const source = sourceOf(filter, statuses);
  const conditions: Condition[] = [
    [`${source.namespace} = ?`, filter.namespace],
    ...statusCondition(statuses),
    ...(source === byFailure ? [[`o.status <> 'completed'`] as const] : []),
    ...(filter.errorCode === undefined
      ? []
      : [[`o.status = 'failed' and o.error_code = ?`, filter.errorCode] as const]),
    ...equals('t.kind', filter.kind),
    ...equals('t.name', filter.name),
    ...equals('t.queue', filter.queue),
    ...equals('t.session_id', filter.sessionId),
    ...equals('t.parent_id', filter.parentId),
    ...createdConditions(filter, source.id),
    ...(page.before === undefined ? [] : [[`${source.id} < ?`, page.before] as const]),
    ...(page.after === undefined ? [] : [[`${source.id} > ?`, page.after] as const]),
  ];
  const where = conditions.map(([sql]) => sql).join(' and ');
  return {
    sql: `select ${columns ?? source.id} from ${source.from} where ${where}
      order by ${source.id} ${page.oldestFirst === true ? 'asc' : 'desc'} limit ?`,
    parameters: [...conditions.flatMap(([, ...parameters]) => parameters), page.limit],
  };
}

function sourceOf(filter: TaskFilter, statuses: Statuses | undefined): Source {
  const hasIndexOfItsOwn = filter.sessionId !== undefined || filter.parentId !== undefined;
  if (filter.errorCode !== undefined && !hasIndexOfItsOwn) return byErrorCode;
  if (hasIndexOfItsOwn || statuses === undefined) return byTask;
  if (statuses.ended.length === 0) return byQueue;
  return statuses.states.length === 0 && !statuses.ended.includes('completed') ? byFailure : byTask;
}

function statusCondition(statuses: Statuses | undefined): Condition[] {
  if (statuses === undefined) return [];
  const { states, ended } = statuses;
  return [[`(q.state in (${marks(states)}) or o.status in (${marks(ended)}))`, ...states, ...ended]];
}

const marks = (values: readonly unknown[]): string => values.map(() => '?').join(', ');

const equals = (column: string, value: string | undefined): Condition[] =>
  value === undefined ? [] : [[`${column} = ?`, value]];

function createdConditions({ createdAfter, createdBefore }: TaskFilter, id: string): Condition[] {
  const conditions: Condition[] = [];
  if (createdAfter !== undefined)
    conditions.push(['t.created_at > ?', createdAfter], [`${id} >= ?`, idAt(createdAfter - clockSlackMs)]);
  if (createdBefore !== undefined)
    conditions.push(['t.created_at < ?', createdBefore], [`${id} < ?`, idAt(createdBefore + clockSlackMs)]);
  return conditions;
}
