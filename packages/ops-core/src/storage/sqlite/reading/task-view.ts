import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { queueState } from '../../../domain/task-state.ts';
import { taskOf, type ViewRow } from '../../rows/task.ts';
import { listQuery } from '../../rows/task-list.ts';
import type { StoredWait, TaskFilter, TaskPage, TaskRow } from '../../store.ts';
import { textOf } from '../database/blobs.ts';
import { prepare, type Statement } from '../database/statement.ts';
import { listDialect } from './task-list.ts';

/** Prepared, of the many that filters make. */
const maxLists = 200;

type Text = string | null;
type Int = number | null;

/** The columns of a ViewRow, of tasks t, queue q and outcomes o. */
const viewColumns = `t.id, t.namespace, t.kind, t.name, t.queue, t.priority, ${textOf('t', 'input', 'input_blob')}, t.options,
  t.session_id, t.parent_id, t.idempotency_key, t.created_at, t.due_at,
  q.state, q.due_at, q.paused_reason, coalesce(q.attempt, o.attempt), coalesce(q.failures, o.failures),
  coalesce(o.seq, (select max(j.seq) from journal j where j.task_id = t.id)),
  o.status, o.at, ${textOf('o', 'data')}, t.limits, coalesce(q.task_deadline_at, t.deadline_at)`;

type WaitRow = [
  step: string,
  hash: string,
  kind: StoredWait['kind'],
  name: string,
  key: Text,
  dueAt: Int,
  data: Text,
];

export interface TaskView {
  task(namespace: string, taskId: string): TaskRow | undefined;
  tasks(filter: TaskFilter, page: TaskPage): TaskRow[];
  taskIds(filter: TaskFilter, page: TaskPage): string[];
}

export function prepareTaskView(database: DatabaseSync): TaskView {
  const one = prepare<[string, string], ViewRow>(
    database,
    `select ${viewColumns} from tasks t left join queue q on q.task_id = t.id left join outcomes o on o.task_id = t.id
     where t.namespace = ?1 and t.id = ?2`,
  );
  const waitsOf = prepare<[string], WaitRow>(
    database,
    'select step, hash, kind, name, key, due_at, data from waits where task_id = ?1 order by position',
  );
  const lists = new Map<string, Statement<SQLInputValue[], unknown>>();
  const listed = (columns: string | undefined, filter: TaskFilter, page: TaskPage): unknown[] => {
    const { sql, parameters } = listQuery(columns, filter, page, listDialect);
    const list = lists.get(sql) ?? prepare<SQLInputValue[], unknown>(database, sql);
    if (lists.size === maxLists) lists.clear();
    lists.set(sql, list);
    return list.all(...parameters);
  };

  const toTask = (row: ViewRow): TaskRow => {
    const mayWait = row[13] === queueState.waiting || row[13] === queueState.paused;
    return taskOf(row, mayWait ? waitsOf.all(row[0]).map(waitOf) : []);
  };

  return {
    task(namespace, taskId) {
      const row = one.get(namespace, taskId);
      return row === undefined ? undefined : toTask(row);
    },
    tasks: (filter, page) => (listed(viewColumns, filter, page) as ViewRow[]).map(toTask),
    taskIds: (filter, page) => (listed(undefined, filter, page) as [taskId: string][]).map(([id]) => id),
  };
}

function waitOf([step, hash, kind, name, key, dueAt, data]: WaitRow): StoredWait {
  return {
    step,
    hash,
    kind,
    name,
    ...(key === null ? {} : { key }),
    ...(dueAt === null ? {} : { dueAt }),
    ...(data === null ? {} : { data }),
  };
}
