import type { TaskFilter, TaskPage } from '../store.ts';
import { clockSlackMs } from './id-time.ts';
import { type Statuses, splitStatuses } from './statuses.ts';

/** Tasks t, queue q and outcomes o, read in the order of one table. */
interface Source {
  /** Of whose columns the order and the namespace are. */
  readonly first: 't' | 'q' | 'o';
  readonly id: string;
}

const sources = {
  tasks: { first: 't', id: 't.id' },
  /** The queue is small beside the tasks that have ended. */
  queue: { first: 'q', id: 'q.task_id' },
  unsuccessful: { first: 'o', id: 'o.task_id' },
  failed: { first: 'o', id: 'o.task_id' },
} as const satisfies Record<string, Source>;

type SourceName = keyof typeof sources;

/** How an engine reads a list. */
export interface ListDialect {
  /** The `from` of each source. */
  readonly from: Readonly<Record<SourceName, string>>;
  /** The least id that a task made at this time, Unix ms, may have. */
  idAt(time: number): string;
  /** A text as the engine keeps it. */
  text(value: string): string;
}

export interface ListQuery {
  /** `?` stands for a parameter. */
  readonly sql: string;
  readonly parameters: (string | number)[];
}

type Condition = readonly [sql: string, parameter?: string | number];

/** A list by the table and index that fit the filter; without `columns`, of ids. */
export function listQuery(
  columns: string | undefined,
  filter: TaskFilter,
  page: TaskPage,
  dialect: ListDialect,
): ListQuery {
  const statuses = splitStatuses(filter.status);
  const name = sourceOf(filter, statuses);
  const { first, id } = sources[name];
  const conditions: Condition[] = [
    [`${first}.namespace = ?`, filter.namespace],
    ...statusConditions(statuses),
    ...(name === 'unsuccessful' ? [[`o.status <> 'completed'`] as const] : []),
    ...given(`o.status = 'failed' and o.error_code = ?`, filter.errorCode),
    ...given('t.kind = ?', filter.kind),
    ...given('t.name = ?', filter.name),
    ...given('t.queue = ?', filter.queue),
    ...given('t.session_id = ?', filter.sessionId === undefined ? undefined : dialect.text(filter.sessionId)),
    ...given('t.parent_id = ?', filter.parentId),
    ...createdConditions(filter, id, dialect),
    ...given(`${id} < ?`, page.before),
    ...given(`${id} > ?`, page.after),
  ];
  const where = conditions.map(([sql]) => sql).join(' and ');
  const order = page.oldestFirst === true ? 'asc' : 'desc';
  return {
    sql: `select ${columns ?? id} from ${dialect.from[name]} where ${where} order by ${id} ${order} limit ?`,
    parameters: [
      ...conditions.flatMap(([, parameter]) => (parameter === undefined ? [] : [parameter])),
      page.limit,
    ],
  };
}

function sourceOf(filter: TaskFilter, statuses: Statuses | undefined): SourceName {
  const hasIndexOfItsOwn = filter.sessionId !== undefined || filter.parentId !== undefined;
  if (filter.errorCode !== undefined && !hasIndexOfItsOwn) return 'failed';
  if (hasIndexOfItsOwn || statuses === undefined) return 'tasks';
  if (statuses.ended.length === 0) return 'queue';
  return statuses.states.length === 0 && !statuses.ended.includes('completed') ? 'unsuccessful' : 'tasks';
}

const given = (sql: string, parameter: string | number | undefined): Condition[] =>
  parameter === undefined ? [] : [[sql, parameter]];

/** Of our own closed lists, so that they may stand in the text. */
function statusConditions(statuses: Statuses | undefined): Condition[] {
  if (statuses === undefined) return [];
  const states = statuses.states.map((state) => `q.state = ${state}`);
  const ended = statuses.ended.map((status) => `o.status = '${status}'`);
  return [[`(${[...states, ...ended].join(' or ') || 'false'})`]];
}

function createdConditions(
  { createdAfter, createdBefore }: TaskFilter,
  id: string,
  { idAt }: ListDialect,
): Condition[] {
  const conditions: Condition[] = [];
  if (createdAfter !== undefined)
    conditions.push(['t.created_at > ?', createdAfter], [`${id} >= ?`, idAt(createdAfter - clockSlackMs)]);
  if (createdBefore !== undefined)
    conditions.push(['t.created_at < ?', createdBefore], [`${id} < ?`, idAt(createdBefore + clockSlackMs)]);
  return conditions;
}
