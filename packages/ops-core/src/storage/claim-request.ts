/**
 * What a worker asks for. Tasks of one namespace and queue are a lane. A claim takes from its lanes in fair order: first
 * capacity is shared between namespaces, then within a namespace between its queues; only within a lane do tasks go by
 * priority, due time and id (ADR 0019).
 */
export interface ClaimRequest {
  workerId: string;
  queues: readonly string[];
  limit: number;
  /** For tasks without one of their own; an attempt beyond it is taken over by the sweep. */
  attemptTimeoutMs: number;
  /** Absent: no lane is ahead of another. */
  shares?: Shares;
  /**
   * `KIND NAME` of each definition that the worker has; tasks of others are passed over, which costs a look at each that
   * stands before one of these. Absent: all are taken.
   */
  definitions?: readonly string[];
}

/**
 * How far ahead of the others each share is, and what one more task adds to that, in a unit that is the claimer's own.
 * What is not named is not ahead, and its step is `step`.
 */
export interface Shares {
  step: number;
  namespaces: Readonly<Record<string, NamespaceShare>>;
}

export interface Share {
  /** From 0. */
  lag: number;
  /** Over 0. */
  step: number;
}

export interface NamespaceShare extends Share {
  queues: Readonly<Record<string, Share>>;
}

/** The claimer has used nothing so far. */
export const evenShares: Shares = { step: 1, namespaces: {} };

/** How long a worker has, beyond a task's deadline, to write its end before the sweep takes the task. */
export const endingMs = 5_000;

/** So many lanes are looked at in one claim; where there are more, the next one goes on behind them. */
export const lanesPerClaim = 200;

/** How many ready tasks of each lane are looked at, so that all of them are some times what is asked for. */
export const depthOf = (limit: number, lanes: number): number =>
  lanes <= 4 ? limit : Math.ceil((4 * limit) / lanes);
