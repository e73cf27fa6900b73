/** What keeps a store in order beside its tasks: what a namespace is allowed, and the end of what is kept long enough. */

/** One bounded look for tasks that need not be kept any longer, in the order of their ids. */
export interface PurgeRequest {
  namespace: string;
  /** Which tasks are looked at: those that completed, or those that ended otherwise. */
  ended: 'completed' | 'unsuccessful';
  /** Unix ms by status: what ended earlier goes. Absent: it is kept. */
  endedBefore: { completed?: number; failed?: number; cancelled?: number };
  /** `behind` of the answer before; absent at the start. */
  behind?: string;
  /** Tasks to look at. */
  rows: number;
  /** Entries to delete, in about: a task goes as a whole. */
  entries: number;
}

export interface PurgeResult {
  deleted: number;
  /** Where the next look goes on; absent when there is nothing more to look at. */
  behind?: string;
}

/** How much a namespace has, for its quotas; counted no further than `limit`. */
export interface Usage {
  /** Tasks that nobody runs yet: ready, due later, held back. */
  pending(namespace: string, limit: number): Promise<number>;
  /** Tasks that were submitted since (Unix ms), children left out, and when the first of them was. */
  submitted(namespace: string, since: number, limit: number): Promise<{ count: number; firstAt?: number }>;
}

export interface Housekeeping extends Usage {
  /** Namespaces that have tasks. */
  namespaces(): Promise<readonly string[]>;
  /** JSON text; undefined where none were set. Opaque to the store. */
  namespaceSettings(namespace: string): Promise<string | undefined>;
  /**
   * Puts these in the place of the earlier ones; where `earlier` is given only of exactly those, `{}` being none. False
   * when others stand there now, which stay.
   */
  setNamespaceSettings(namespace: string, settings: string, earlier?: string): Promise<boolean>;
  /**
   * Deletes tasks that ended long enough ago, with their journal, inbox and outcome, and a session's conversation with the
   * session's last task. A child is kept while its parent is there, and a task while anything below it is unfinished.
   */
  purge(request: PurgeRequest): Promise<PurgeResult>;
}
