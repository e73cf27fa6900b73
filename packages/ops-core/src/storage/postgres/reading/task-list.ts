import { type ListDialect, listQuery } from '../../rows/task-list.ts';
import type { TaskFilter, TaskPage } from '../../store.ts';
import { type Statement, statement } from '../database/connections.ts';
import { toText, uuidAt } from '../database/text.ts';
import { type TaskAndWaits, viewColumns } from './task-view.ts';

const byOutcome =
  'outcomes o join tasks t on t.namespace = o.namespace and t.id = o.task_id left join queue q on q.task_id = t.id';

const dialect: ListDialect = {
  from: {
    tasks: 'tasks t left join queue q on q.task_id = t.id left join outcomes o on o.task_id = t.id',
    queue:
      'queue q join tasks t on t.namespace = q.namespace and t.id = q.task_id left join outcomes o on o.task_id = t.id',
    unsuccessful: byOutcome,
    failed: byOutcome,
  },
  idAt: uuidAt,
  text: toText,
};

interface List<Row> {
  readonly query: Statement<Row>;
  readonly parameters: unknown[];
}

/** Without a name: planned for these very values, which the hot path could not afford. */
function list<Row>(columns: string | undefined, filter: TaskFilter, page: TaskPage): List<Row> {
  const { sql, parameters } = listQuery(columns, filter, page, dialect);
  let number = 0;
  return {
    query: statement<Row>(
      '',
      sql.replaceAll('?', () => `$${++number}`),
    ),
    parameters,
  };
}

export const taskList = (filter: TaskFilter, page: TaskPage): List<TaskAndWaits> =>
  list(viewColumns, filter, page);

export const taskIdList = (filter: TaskFilter, page: TaskPage): List<[taskId: string]> =>
  list(undefined, filter, page);
