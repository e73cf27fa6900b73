import type { DatabaseSync } from 'node:sqlite';
import { OpspawnError } from '@opspawn/agentkit/schema';
import type { InboxItem } from '../../store.ts';
import type { Turn } from '../../turn.ts';
import type { Blobs } from '../database/blobs.ts';
import { isDuplicate } from '../database/failure.ts';
import { prepare } from '../database/statement.ts';

type OpenItem = [id: string, kind: InboxItem['kind'], key: string];

/** The items themselves; what they do to a task is `delivery.ts`. */
export function prepareInbox(database: DatabaseSync, blobs: Blobs) {
  const insert = prepare<[string, string, string, string, number, number | null, string | null]>(
    database,
    'insert into inbox (id, task_id, kind, key, at, blob_id, data) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)',
  );
  const markTask = prepare<[string]>(database, 'update queue set has_inbox = 1 where task_id = ?1');
  const taskOf = prepare<[string], [taskId: string]>(database, 'select task_id from inbox where id = ?1');
  const setTaken = prepare<[string, string, number]>(
    database,
    'update inbox set taken_at = ?3 where id = ?1 and task_id = ?2 and taken_at is null',
  );
  const openItems = prepare<[string], OpenItem>(
    database,
    'select id, kind, key from inbox where task_id = ?1 and taken_at is null order by position',
  );

  return {
    /** Whether the item is new. */
    put(turn: Turn, taskId: string, item: InboxItem): boolean {
      const blobId = blobs.spill(item.data);
      try {
        insert.get(item.id, taskId, item.kind, item.key, turn.at, blobId, blobs.inline(item.data));
      } catch (thrown) {
        if (!isDuplicate(thrown)) throw thrown;
        blobs.discard(blobId);
        if (taskOf.get(item.id)?.[0] !== taskId) throw itemTaken(item.id);
        return false;
      }
      markTask.get(taskId);
      turn.posted.add(taskId);
      turn.changed.push(taskId);
      return true;
    },
    take(turn: Turn, taskId: string, itemIds: readonly string[]): void {
      for (const id of itemIds) setTaken.get(id, taskId, turn.at);
    },
    /** Not taken yet, oldest first. */
    openItems: (taskId: string): readonly OpenItem[] => openItems.all(taskId),
    /** Also when it was taken since. */
    wasPosted: (taskId: string, itemId: string): boolean => taskOf.get(itemId)?.[0] === taskId,
  };
}

export type Inbox = ReturnType<typeof prepareInbox>;

const itemTaken = (itemId: string): OpspawnError =>
  new OpspawnError('invalid_argument', `Inbox item ${itemId} was posted to another task`, {
    details: { itemId },
  });
