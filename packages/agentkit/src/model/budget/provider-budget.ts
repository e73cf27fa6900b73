/** What one key of a provider may send. The seam: ops-core shares one budget between all workers, agentkit within a process. */

export interface ProviderCall {
  /** Names the key without telling it: `openai:9f86d081884c`. All calls with it share one budget. */
  key: string;
  /** `provider/model`: vendors bound each model of a key on its own, and refuse one while another is free. */
  model: string;
  /** Estimate of input and answer; replaced by what was used once that is known. */
  tokens: number;
  /** A longer wait than this, in ms and as far as it can be foreseen, is refused. Default: any is waited out. */
  maxWaitMs?: number | undefined;
  /** A longer one that the provider itself asked for, in ms, is refused. Default: any is waited out. */
  maxRetryAfterMs?: number | undefined;
  signal: AbortSignal;
}

/** A bound that a provider told in its headers. */
export interface ToldBound {
  /** What there is when nothing was used, where it was told. */
  limit?: number;
  remaining: number;
  /** Until nothing counts as used any more, in ms. */
  resetsInMs: number;
}

export interface ToldBounds {
  requests?: ToldBound;
  tokens?: ToldBound;
}

/** A call that was let through. Each end is told once; neither throws, and neither waits for storage. */
export interface ProviderPermit {
  /** The provider took the call: its headers are there, the answer may still be on the way. */
  accepted(told: ToldBounds): void;
  /** The call is over. Without `tokens` the estimate stands for a call that was accepted, and nothing for another. */
  settle(end: { tokens?: number | undefined; refused?: ProviderRefusal | undefined }): void;
}

/** The provider said that too much was asked of it. */
export interface ProviderRefusal {
  /** How long it said to wait, in ms. */
  retryAfterMs?: number | undefined;
}

export interface ProviderBudget {
  /**
   * Waits until the call may be made; first come, first served. Rejects with the signal's reason when that aborts, and with
   * `rate_limited` (`retryAfterMs` is what was left to wait) when it would take longer than `maxWaitMs`,
   * or than `maxRetryAfterMs` on the provider's word.
   */
  admit(call: ProviderCall): Promise<ProviderPermit>;
}
