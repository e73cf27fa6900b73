import type { DatabaseSync } from 'node:sqlite';
import { type MemoryStore, prepareMemories } from '@opspawn/agentkit';
import type { StoreAccess } from '../writing/store-access.ts';

/** agentkit's memories in SQLite, over the connection of the store. */
export function openMemories(
  database: DatabaseSync,
  hasVectorSearch: boolean,
  { write, read }: StoreAccess,
): MemoryStore {
  const memories = prepareMemories(database, hasVectorSearch);
  return {
    put: (...args) => write(() => memories.put(...args), undefined),
    byWords: (...args) => read(() => memories.byWords(...args)),
    byVector: (...args) => read(() => memories.byVector(...args)),
    withoutVector: (...args) => read(() => memories.withoutVector(...args)),
    putVectors: (...args) => write(() => memories.putVectors(...args), undefined),
    remove: (...args) => write(() => memories.remove(...args), undefined),
    blocks: (...args) => read(() => memories.blocks(...args)),
    writeBlock: (...args) => write(() => memories.writeBlock(...args), undefined),
  };
}
