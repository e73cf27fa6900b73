/** What was answered to a request of a task. */
export interface StoredDecision {
  /** Unix ms. */
  at: number;
  /** JSON text. */
  data?: string;
}

/** The part of the store that knows what was decided. */
export interface DecisionStore {
  /** The latest decision with this inbox key, also when the task took it since; undefined when there was none. */
  lastDecision(taskId: string, key: string): Promise<StoredDecision | undefined>;
}
