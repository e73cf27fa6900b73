/** What one run added to a session's conversation. */
export interface SessionRun {
  runId: string;
  /** JSON text. */
  messages: string;
  /** JSON text: what stands for the oldest messages of the session since then. */
  compaction?: string;
}

export interface SessionStore {
  /** Adds a run to the end of a session's conversation; the same `runId` again changes nothing. */
  appendSession(namespace: string, sessionId: string, run: SessionRun): Promise<void>;
  /** The session's runs in the order in which they were added; empty for an unknown one. */
  session(namespace: string, sessionId: string): Promise<readonly SessionRun[]>;
}
