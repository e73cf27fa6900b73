/**
 * What agents have cost, added up as they run: by session, agent and day of each namespace. A task tells what it has used in
 * all, so that telling it again changes nothing, nor does an attempt that was superseded and knows less; it tells when an
 * attempt of its ends or waits. The sums outlive the tasks.
 */

export interface Spent {
  inputTokens: number;
  outputTokens: number;
  /** 1,000,000 = 1 US dollar; of the calls whose price is known. */
  costMicroUsd: number;
  /** Tokens of tasks of which some call's price is not known. */
  unpricedTokens: number;
}

export interface TaskSpending {
  taskId: string;
  namespace: string;
  agent: string;
  sessionId?: string;
  /** Since its beginning. */
  spent: Spent;
}

/** `day`: in UTC, like 2026-11-26, when it was told. */
export type SpendingKind = 'session' | 'agent' | 'day';

export interface SpendingSum extends Spent {
  /** The session, the agent or the day. */
  name: string;
  /** Unix ms. */
  lastAt: number;
}

export interface SpendingStore {
  record(spending: TaskSpending): Promise<void>;
  /** Those that were added to last come first. */
  list(namespace: string, kind: SpendingKind, limit: number): Promise<readonly SpendingSum[]>;
  sum(namespace: string, kind: SpendingKind, name: string): Promise<SpendingSum | undefined>;
  /**
   * Deletes a session's conversation, the memories and blocks that are only its own, and what it has cost, but not its tasks.
   * false, and nothing is deleted: it has tasks that have not ended.
   */
  forgetSession(namespace: string, sessionId: string): Promise<boolean>;
}

export type SpendingColumns = [
  name: string,
  inputTokens: number,
  outputTokens: number,
  costMicroUsd: number,
  unpricedTokens: number,
  lastAt: number,
];

export const spendingColumns = 'name, input_tokens, output_tokens, cost_micro_usd, unpriced_tokens, last_at';

export const toSpendingSum = (columns: SpendingColumns): SpendingSum => {
  const [name, inputTokens, outputTokens, costMicroUsd, unpricedTokens, lastAt] = columns;
  return { name, inputTokens, outputTokens, costMicroUsd, unpricedTokens, lastAt };
};
