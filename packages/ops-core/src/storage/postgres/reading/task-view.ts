import { taskOf, type ViewRow } from '../../rows/task.ts';
import type { StoredWait, TaskRow } from '../../store.ts';
import { statement } from '../database/connections.ts';

/** The columns of a ViewRow, of tasks t, queue q and outcomes o; then the open waits. */
export const viewColumns = `t.id, t.namespace, t.kind, t.name, t.queue, t.priority, t.input, t.options, t.session_id,
  t.parent_id, t.idempotency_key, t.created_at, t.due_at, q.state, q.due_at, q.paused_reason,
  coalesce(q.attempt, o.attempt), coalesce(q.failures, o.failures),
  coalesce(o.seq, (select max(j.seq) from journal j where j.task_id = t.id)), o.status, o.at, o.data, t.limits,
  coalesce(q.task_deadline_at, t.deadline_at),
  case when q.state in (4, 5) then (
    select json_agg(json_strip_nulls(json_build_object('step', w.step, 'hash', w.hash, 'kind', w.kind, 'name', w.name,
      'key', w.key, 'dueAt', w.due_at, 'data', w.data)) order by w.position)
    from waits w where w.task_id = t.id) end`;

export type TaskAndWaits = [...ViewRow, waits: readonly StoredWait[] | null];

export const taskById = statement<TaskAndWaits>(
  'task',
  `select ${viewColumns} from tasks t left join queue q on q.task_id = t.id left join outcomes o on o.task_id = t.id
   where t.namespace = $1 and t.id = $2`,
);

export const toTask = (row: TaskAndWaits): TaskRow =>
  taskOf(row.slice(0, -1) as ViewRow, (row.at(-1) as TaskAndWaits[24]) ?? []);
