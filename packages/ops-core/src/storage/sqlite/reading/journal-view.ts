import type { DatabaseSync } from 'node:sqlite';
import type { StoredDecision } from '../../parts/decisions.ts';
import { entryOf, type JournalRow } from '../../rows/journal-entry.ts';
import type { EntryRow, InboxItem, InboxRow } from '../../store.ts';
import { textOf } from '../database/blobs.ts';
import { prepare } from '../database/statement.ts';

type Text = string | null;

/** Entries with seq > `after`, in order, at most `limit`. */
export function prepareJournalView(
  database: DatabaseSync,
): (taskId: string, after: number, limit: number) => EntryRow[] {
  const find = prepare<[string, number, number], JournalRow>(
    database,
    `select seq, type, attempt, at, branch, name, count, asked, ${textOf('j', 'data')}
     from journal j where task_id = ?1 and seq > ?2
     union all
     select seq, 'task.' || status, attempt, at, null, null, null, asked, ${textOf('o', 'data')}
     from outcomes o where task_id = ?1 and seq > ?2
     order by seq limit ?3`,
  );
  return (taskId, after, limit) => find.all(taskId, after, limit).map(entryOf);
}

type ItemRow = [id: string, kind: InboxItem['kind'], key: string, at: number, data: Text];

/** The latest decision with this key, taken or not. */
export function prepareLastDecision(
  database: DatabaseSync,
): (taskId: string, key: string) => StoredDecision | undefined {
  const decisions = (isTaken: string): string =>
    `select at, ${textOf('i', 'data')} as data, position from inbox i
     where task_id = ?1 and key = ?2 and kind = 'decision' and taken_at is ${isTaken}`;
  const find = prepare<[string, string], [at: number, data: Text, position: number]>(
    database,
    `${decisions('null')} union all ${decisions('not null')} order by position desc limit 1`,
  );
  return (taskId, key) => {
    const [at, data] = find.get(taskId, key) ?? [];
    return at === undefined ? undefined : { at, ...(typeof data === 'string' ? { data } : {}) };
  };
}

/** Items that are not taken yet, oldest first. */
export function prepareInboxView(database: DatabaseSync): (taskId: string) => InboxRow[] {
  const find = prepare<[string], ItemRow>(
    database,
    `select id, kind, key, at, ${textOf('i', 'data')}
     from inbox i where task_id = ?1 and taken_at is null order by position`,
  );
  return (taskId) =>
    find.all(taskId).map(([id, kind, key, at, data]) => {
      const item: InboxRow = { id, kind, key, at };
      if (data !== null) item.data = data;
      return item;
    });
}
