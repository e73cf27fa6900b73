import { clockSlackMs } from '../../rows/id-time.ts';
import { type Statuses, splitStatuses } from '../../rows/statuses.ts';
import type { TaskFilter, TaskPage } from '../../store.ts';
import { type Statement, statement } from '../database/connections.ts';
import { toText, uuidAt } from '../database/text.ts';
import { type TaskAndWaits, viewColumns } from './task-view.ts';

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
  from: `queue q join tasks t on t.namespace = q.namespace and t.id = q.task_id left join outcomes o on o.task_id = t.id`,
  id: 'q.task_id',
  namespace: 'q.namespace',
};
const byFailure: Source = {
  from: `outcomes o join tasks t on t.namespace = o.namespace and t.id = o.task_id left join queue q on q.task_id = t.id`,
  id: 'o.task_id',
  namespace: 'o.namespace',
};

/** `?` stands for the parameter. */
type Condition = readonly [sql: string, parameter?: unknown];

/** A list from the table that fits the filter. */
export const taskList = (filter: TaskFilter, page: TaskPage): List<TaskAndWaits> =>
  list(viewColumns, filter, page);

export const taskIdList = (filter: TaskFilter, page: TaskPage): List<[taskId: string]> =>
  list(undefined, filter, page);

interface List<Row> {
  readonly query: Statement<Row>;
  readonly parameters: unknown[];
}

/** Without `columns`, of ids. */
function list<Row>(columns: string | undefined, filter: TaskFilter, page: TaskPage): List<Row> {
  const statuses = splitStatuses(filter.status);
  const source = sourceOf(filter, statuses);
  const parameters: unknown[] = [];
  const numbered = ([sql, parameter]: Condition): string =>
    parameter === undefined ? sql : sql.replace('?', `$${parameters.push(parameter)}`);
  const where = conditionsOf(filter, page, { source, statuses }).map(numbered).join(' and ');
  const limit = numbered(['limit ?', page.limit]);
  const order = `order by ${source.id} ${page.oldestFirst === true ? 'asc' : 'desc'}`;
  const text = `select ${columns ?? source.id} from ${source.from} where ${where} ${order} ${limit}`;
  // Without a name: planned for these very values, which the hot path could not afford.
  return { query: statement<Row>('', text), parameters };
}

interface Shape {
  readonly source: Source;
  readonly statuses: Statuses | undefined;
}

function conditionsOf(filter: TaskFilter, page: TaskPage, { source, statuses }: Shape): Condition[] {
  const { kind, name, queue, sessionId, parentId, errorCode } = filter;
  const conditions: Condition[] = [
    [`${source.namespace} = ?`, filter.namespace],
    ...statusCondition(statuses),
    ...(source === byFailure ? [[`o.status <> 'completed'`] as const] : []),
    [`o.status = 'failed' and o.error_code = ?`, errorCode],
    ['t.kind = ?', kind],
    ['t.name = ?', name],
    ['t.queue = ?', queue],
    ['t.session_id = ?', sessionId === undefined ? undefined : toText(sessionId)],
    ['t.parent_id = ?', parentId],
    ...createdConditions(filter, source.id),
    [`${source.id} < ?`, page.before],
    [`${source.id} > ?`, page.after],
  ];
  return conditions.filter(([sql, parameter]) => parameter !== undefined || !sql.includes('?'));
}

function sourceOf(filter: TaskFilter, statuses: Statuses | undefined): Source {
  const hasIndexOfItsOwn = filter.sessionId !== undefined || filter.parentId !== undefined;
  if (filter.errorCode !== undefined && !hasIndexOfItsOwn) return byFailure;
  if (hasIndexOfItsOwn || statuses === undefined) return byTask;
  if (statuses.ended.length === 0) return byQueue;
  return statuses.states.length === 0 && !statuses.ended.includes('completed') ? byFailure : byTask;
}

/** Of our own closed lists, so that they may stand in the text. */
function statusCondition(statuses: Statuses | undefined): Condition[] {
  if (statuses === undefined) return [];
  const states = statuses.states.map((state) => `q.state = ${state}`);
  const ended = statuses.ended.map((status) => `o.status = '${status}'`);
  return [[`(${[...states, ...ended].join(' or ') || 'false'})`]];
}

function createdConditions({ createdAfter, createdBefore }: TaskFilter, id: string): Condition[] {
  const conditions: Condition[] = [];
  if (createdAfter !== undefined)
    conditions.push(['t.created_at > ?', createdAfter], [`${id} >= ?`, uuidAt(createdAfter - clockSlackMs)]);
  if (createdBefore !== undefined)
    conditions.push(['t.created_at < ?', createdBefore], [`${id} < ?`, uuidAt(createdBefore + clockSlackMs)]);
  return conditions;
}
