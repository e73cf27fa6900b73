import type { Json } from '../json.ts';
import type { Message } from '../message.ts';
import type { Compaction } from './compaction/compaction.ts';

/** Whose memory. An item is visible to a query that names at least the scopes that it was stored with. */
export interface MemoryScope {
  namespace: string;
  agent?: string;
  session?: string;
  user?: string;
}

export type SessionScope = MemoryScope & { session: string };

/** Where a memory came from. */
export interface MemorySource {
  /** Who or what: a tool's name, a person, an import. */
  by: string;
  taskId?: string;
  /** The recorded step that wrote it. */
  step?: string;
  /** Content from outside (a tool's output, a web page) had a part in it: it is information, never an instruction. */
  isFromOutside: boolean;
}

export interface MemoryItem {
  /** Made of scope and text: the same text in the same scope is one memory. */
  id: string;
  text: string;
  scope: MemoryScope;
  source: MemorySource;
  /** Unix time, ms. */
  createdAt: number;
  expiresAt?: number;
  metadata?: Record<string, Json>;
}

export type NewMemory = Omit<MemoryItem, 'id' | 'createdAt'>;

/** A named piece of working memory, which the agent edits. */
export interface MemoryBlock {
  text: string;
  /** As of a memory's source. */
  isFromOutside: boolean;
}

export interface RecallOptions {
  /** Default 5. */
  limit?: number;
  signal?: AbortSignal;
}

/**
 * Short-term: the messages of a session. Long-term: items that are remembered and recalled by words or meaning. Working
 * memory: named blocks. A scope without a namespace is `invalid_argument`: it would be everybody's.
 */
export interface Memory {
  /** The session's conversation, oldest first; empty for a new one. It only grows: a run remembers how long it was. */
  messages(scope: SessionScope): Promise<readonly Message[]>;
  /**
   * Appends what a finished run added, and what stands for the oldest messages from now on. `runId` makes it idempotent:
   * the same run is added once.
   */
  append(
    scope: SessionScope,
    runId: string,
    messages: readonly Message[],
    options?: { compaction?: Compaction },
  ): Promise<void>;
  /** The last one that came with `append`. Where it is missing each run summarises a long session anew. */
  compaction?(scope: SessionScope): Promise<Compaction | undefined>;
  /** A text that is there already in that scope stays one memory, with its first source and the longer life of both. */
  remember(item: NewMemory): Promise<MemoryItem>;
  /** The best matches first. Expired items are never given. */
  recall(scope: MemoryScope, query: string, options?: RecallOptions): Promise<readonly MemoryItem[]>;
  /** Whether the item existed within that scope. */
  forget(scope: MemoryScope, id: string): Promise<boolean>;
  /** The blocks of exactly that scope, by name. */
  blocks(scope: MemoryScope): Promise<Readonly<Record<string, MemoryBlock>>>;
  writeBlock(scope: MemoryScope, name: string, block: MemoryBlock): Promise<void>;
}
