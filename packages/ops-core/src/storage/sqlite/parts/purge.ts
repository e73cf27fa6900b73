import type { DatabaseSync } from 'node:sqlite';
import type { PurgeRequest, PurgeResult } from '../../parts/housekeeping.ts';
import { clockSlackMs, idAt } from '../../rows/id-time.ts';
import { prepare } from '../database/statement.ts';
import type { Operation } from '../writing/store-access.ts';
import { prepareForgetSession } from './spending.ts';

type Int = number | null;
type Text = string | null;
type Row = [taskId: string, entries: number, sessionId: Text, mayGo: number];

/** `?1` namespace, `?2` behind, `?3` up to, `?4` rows. */
const looked: Readonly<Record<PurgeRequest['ended'], string>> = {
  completed: `select l.id, l.parent_id, l.session_id, o.status, o.at, o.seq from (
      select id, parent_id, session_id from tasks where namespace = ?1 and id > ?2 and id < ?3 order by id limit ?4
    ) l left join outcomes o on o.task_id = l.id and o.status = 'completed'`,
  unsuccessful: `select o.task_id as id, t.parent_id, t.session_id, o.status, o.at, o.seq from (
      select task_id, status, at, seq from outcomes indexed by outcomes_unsuccessful
      where namespace = ?1 and status <> 'completed' and task_id > ?2 and task_id < ?3 order by task_id limit ?4
    ) o cross join tasks t on t.namespace = ?1 and t.id = o.task_id`,
};

/** `?5`, `?6`, `?7`: the time before which those that completed, failed, were cancelled go; null keeps them. */
const lookAt = (ended: PurgeRequest['ended']): string => `
  select id, seq, session_id,
    coalesce(at < case status when 'completed' then ?5 when 'failed' then ?6 else ?7 end, 0)
      and not exists (select 1 from tasks p where p.namespace = ?1 and p.id = parent_id)
      and not exists (
        with recursive below (id) as (
          select t.id from tasks t where t.parent_id = l.id
          union all
          select t.id from below b join tasks t on t.parent_id = b.id
        ) select 1 from below b join queue q on q.task_id = b.id)
  from (${looked[ended]}) l order by id`;

export function preparePurge(database: DatabaseSync): Operation<PurgeRequest, PurgeResult> {
  const look = (ended: PurgeRequest['ended']) =>
    prepare<[string, string, string, number, Int, Int, Int], Row>(database, lookAt(ended));
  const looks = { completed: look('completed'), unsuccessful: look('unsuccessful') };
  const deleteTask = prepareDeleteTask(database);
  const forgetSession = prepareForgetSession(database);
  const hasTask = prepare<[string, string], [number]>(
    database,
    'select 1 from tasks where namespace = ?1 and session_id = ?2 limit 1',
  );

  return (_turn, { namespace, ended, endedBefore, behind = '', rows, entries }) => {
    const { completed = null, failed = null, cancelled = null } = endedBefore;
    const upTo = idAt(Math.max(completed ?? 0, failed ?? 0, cancelled ?? 0) + clockSlackMs);
    const found = looks[ended].all(namespace, behind, upTo, rows, completed, failed, cancelled);
    const sessions = new Set<string>();
    let deleted = 0;
    let left = entries;
    let last: string | undefined;
    for (const [taskId, count, sessionId, mayGo] of found) {
      if (left <= 0) break;
      last = taskId;
      if (mayGo !== 1) continue;
      deleteTask(namespace, taskId);
      if (sessionId !== null) sessions.add(sessionId);
      deleted += 1;
      left -= count;
    }
    for (const sessionId of sessions)
      if (hasTask.get(namespace, sessionId) === undefined) forgetSession(namespace, sessionId);
    const isEnd = found.length < rows && last === found.at(-1)?.[0];
    return { deleted, ...(isEnd || last === undefined ? {} : { behind: last }) };
  };
}

function prepareDeleteTask(database: DatabaseSync): (namespace: string, taskId: string) => void {
  const inboxOf = (state: string) => `inbox where task_id = ?1 and taken_at is ${state}`;
  const statements = [
    'delete from blobs where id in (select blob_id from journal where task_id = ?1 and blob_id is not null)',
    'delete from blobs where id in (select blob_id from outcomes where task_id = ?1 and blob_id is not null)',
    'delete from journal where task_id = ?1',
    'delete from outcomes where task_id = ?1',
    'delete from budget_steps where budget_id = ?1',
    'delete from budgets where id = ?1',
    'delete from task_spending where task_id = ?1',
    // Each by an index of its own.
    ...['null', 'not null'].flatMap((state) => [
      `delete from blobs where id in (select blob_id from ${inboxOf(state)} and blob_id is not null)`,
      `delete from ${inboxOf(state)}`,
    ]),
  ].map((sql) => prepare<[string]>(database, sql));
  const inputBlob = prepare<[string, string]>(
    database,
    'delete from blobs where id = (select input_blob from tasks where namespace = ?1 and id = ?2)',
  );
  const task = prepare<[string, string]>(database, 'delete from tasks where namespace = ?1 and id = ?2');
  return (namespace, taskId) => {
    for (const statement of statements) statement.get(taskId);
    inputBlob.get(namespace, taskId);
    task.get(namespace, taskId);
  };
}
