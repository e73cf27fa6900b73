import type { InboxItem, InboxRow, Store } from '../../store.ts';
import { uuidArray } from '../database/binary-array.ts';
import { type Run, statement } from '../database/connections.ts';
import { isUuid } from '../database/text.ts';
import { Batches } from '../writing/batches.ts';

type ItemRow = [
  taskId: string,
  id: string,
  kind: InboxItem['kind'],
  key: string,
  at: number,
  data: string | null,
];

const inboxesOf = statement<ItemRow>(
  'inboxes',
  `select task_id, id, kind, key, at, data from inbox where task_id = any($1::uuid[]) and taken_at is null
   order by position`,
);

/** Items of a task that are not taken yet, oldest first. A worker looks for those of all that it runs at once. */
export function openInboxes(run: Run): Store['inbox'] {
  const batches = new Batches({
    send: async (taskIds: readonly string[]) => {
      const rows = await run('reads', inboxesOf, [uuidArray(taskIds)]);
      const byTask = Map.groupBy(rows, ([taskId]) => taskId);
      return taskIds.map((taskId) => byTask.get(taskId.toLowerCase())?.map(toInboxRow) ?? []);
    },
    lengthOf: () => 0,
  });
  return async (taskId) => (isUuid(taskId) ? await batches.add(taskId) : []);
}

const toInboxRow = ([, id, kind, key, at, data]: ItemRow): InboxRow => ({
  id,
  kind,
  key,
  at,
  ...(data === null ? {} : { data }),
});
