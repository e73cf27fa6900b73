import type { MemoryStore } from '@opspawn/agentkit';

/** agentkit's memories, and the end of those whose time has come. */
export interface StoredMemories extends MemoryStore {
  /** Deletes memories of all namespaces that had expired at that time (Unix ms), so many at most. How many. */
  removeExpired(at: number, limit: number): Promise<number>;
}
