import type { DatabaseSync } from 'node:sqlite';
import { prepareMemories } from '@opspawn/agentkit';
import type { StoredMemories } from '../../parts/memories.ts';
import { prepare } from '../database/statement.ts';
import type { StoreAccess } from '../writing/store-access.ts';

/** agentkit's memories in SQLite, over the connection of the store. */
export function openMemories(
  database: DatabaseSync,
  hasVectorSearch: boolean,
  { write, read }: StoreAccess,
): StoredMemories {
  const memories = prepareMemories(database, hasVectorSearch);
  const removeExpired = prepare<[number, number], [number]>(
    database,
    `delete from memories where position in (select position from memories where expires_at <= ?1 limit ?2) returning 1`,
  );
  return {
    put: (...args) => write(() => memories.put(...args), undefined),
    byWords: (...args) => read(() => memories.byWords(...args)),
    byVector: (...args) => read(() => memories.byVector(...args)),
    withoutVector: (...args) => read(() => memories.withoutVector(...args)),
    putVectors: (...args) => write(() => memories.putVectors(...args), undefined),
    remove: (...args) => write(() => memories.remove(...args), undefined),
    removeExpired: (at, limit) => write(() => removeExpired.all(at, limit).length, undefined),
    blocks: (...args) => read(() => memories.blocks(...args)),
    writeBlock: (...args) => write(() => memories.writeBlock(...args), undefined),
  };
}
