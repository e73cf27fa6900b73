import type { DatabaseSync } from 'node:sqlite';
import { type MemoryStore, prepareMemories } from '@opspawn/agentkit';
import type { Operation } from './turn.ts';

/** How the store writes, together with what else is written in that turn, and how it reads. */
export interface MemoryAccess {
  write<Result>(operation: Operation<undefined, Result>): Promise<Result>;
  read<Result>(read: () => Result): Promise<Result>;
}

/** agentkit's memories in SQLite, over the connection of the store. */
export function openMemories(
  database: DatabaseSync,
  hasVectorSearch: boolean,
  { write, read }: MemoryAccess,
): MemoryStore {
  const memories = prepareMemories(database, hasVectorSearch);
  return {
    put: (...args) => write(() => memories.put(...args)),
    byWords: (...args) => read(() => memories.byWords(...args)),
    byVector: (...args) => read(() => memories.byVector(...args)),
    withoutVector: (...args) => read(() => memories.withoutVector(...args)),
    putVectors: (...args) => write(() => memories.putVectors(...args)),
    remove: (...args) => write(() => memories.remove(...args)),
    blocks: (...args) => read(() => memories.blocks(...args)),
    writeBlock: (...args) => write(() => memories.writeBlock(...args)),
  };
}
