import type { Json } from '../json.ts';
import type { MemoryItem, RecallOptions } from './memory.ts';

/** Who sees a memory in later runs: every agent of the namespace, this agent, this session, or this user. */
export type RememberScope = 'namespace' | 'agent' | 'session' | 'user';

export interface RememberOptions {
  /** Default `agent`. Throws `invalid_argument` for a run without a session or a user. */
  scope?: RememberScope;
  expiresAfterMs?: number;
  metadata?: Record<string, Json>;
}

/**
 * The memory of one run, as it is handed to a tool that declares `memory: true`. What it writes carries the run's task, step
 * and tool, and whether content from outside stood in the conversation by then.
 */
export interface RunMemory {
  remember(text: string, options?: RememberOptions): Promise<MemoryItem>;
  /** What this run may see: of its namespace, its agent, its session and its user. */
  recall(query: string, options?: RecallOptions): Promise<readonly MemoryItem[]>;
  forget(id: string): Promise<boolean>;
  /**
   * Gives a block of working memory another text, worked out from the one that it has, and gives the new one. Throws
   * `invalid_argument` for a block that there is not, and for a text that is too long.
   */
  editBlock(name: string, edit: (text: string) => string): Promise<string>;
}
