import type { Json } from '../json.ts';
import type { Message } from '../message.ts';

/** Whose memory. An item is visible to a query that names at least the scopes that it was stored with. */
export interface MemoryScope {
  namespace: string;
  agent?: string;
  session?: string;
  user?: string;
}

export interface MemoryItem {
  id: string;
  text: string;
  scope: MemoryScope;
  /** Where it came from: a task, a tool, a person. */
  source: string;
  /** Unix time, ms. */
  createdAt: number;
  expiresAt?: number;
  metadata?: Record<string, Json>;
}

/** Short-term: the messages of a session. Long-term: items that are remembered and recalled by meaning or words. */
export interface Memory {
  /** The session's conversation, oldest first; empty for a new one. It only grows: a run remembers how long it was. */
  messages(scope: MemoryScope & { session: string }): Promise<readonly Message[]>;
  /** Appends what a finished run added. `runId` makes it idempotent: the same run is added once. */
  append(
    scope: MemoryScope & { session: string },
    runId: string,
    messages: readonly Message[],
  ): Promise<void>;
  remember(item: Omit<MemoryItem, 'id' | 'createdAt'>): Promise<MemoryItem>;
  /** The best matches first, at most `limit` (default 5). Expired items are never given. */
  recall(scope: MemoryScope, query: string, options?: { limit?: number }): Promise<readonly MemoryItem[]>;
  /** Whether the item existed within that scope. */
  forget(scope: MemoryScope, id: string): Promise<boolean>;
}
