/**
 * What the keys of model providers may send, shared by all processes over one database. A call counts from the moment it is
 * let through until a minute after the provider had it for certain, so that no minute, wherever it begins, holds more than
 * the bounds at the provider's end. A call that its process speaks of no more (it died) lapses a minute after its last
 * sign of life; one that waits gives its place up sooner. First come, first served, over all processes.
 */

/** What a key may send in any minute. Absent: not bounded. */
export interface ProviderBounds {
  requestsPerMinute?: number;
  tokensPerMinute?: number;
}

/** How long a call counts when nothing more is heard of it, in ms: its minute, and the time between two signs of life. */
export const callHoldMs = 75_000;
/** How long a call keeps its place in the line when nothing is heard of it, in ms. */
export const placeHoldMs = 15_000;

export interface AskedCall {
  /** UUID version 7, made by the caller: asking again is asking once. */
  id: string;
  key: string;
  /** Estimate. What no minute can hold waits for an empty one. */
  tokens: number;
  /** On whose behalf. */
  taskId?: string;
}

/** All that a process has to say about its calls. */
export interface ProviderReport {
  /** Every key that is spoken of, and what it may send unless an operator says otherwise. */
  keys: readonly ({ key: string; provider: string } & ProviderBounds)[];
  asked: readonly AskedCall[];
  /** Calls that the provider took or that are over: what they used, and how long they still count, in ms. */
  settled: readonly { id: string; tokens: number; keepMs: number }[];
  /** Calls that are still on the way. */
  held: readonly string[];
  /** Calls that will not be made. */
  withdrawn: readonly string[];
}

export interface ProviderAnswer {
  id: string;
  /** 0: it may be made. Otherwise when to ask again, as well as it is known. */
  waitMs: number;
  /** How many wait before it. */
  ahead: number;
}

export interface ProviderLimit extends ProviderBounds {
  provider: string;
}

/** A key as it stands. */
export interface ProviderKeyState {
  key: string;
  provider: string;
  /** What is in force. */
  bounds: ProviderBounds;
  /** Of the last minute. */
  requests: number;
  tokens: number;
  waiting: number;
}

/** A task's call that waits for the budget of a key. */
export interface WaitingCall {
  key: string;
  provider: string;
  /** How many wait before it. */
  ahead: number;
  /** Unix ms. */
  since: number;
}

export interface ProviderBudgetStore {
  /** Answers what was asked, in any order. */
  report(report: ProviderReport): Promise<readonly ProviderAnswer[]>;
  /** What operators say of providers, for each of their keys and before what workers are configured with. */
  limits(): Promise<readonly ProviderLimit[]>;
  setLimit(limit: ProviderLimit): Promise<void>;
  /** Whether there was one. */
  removeLimit(provider: string): Promise<boolean>;
  /** Keys that have been bounded, in their order. */
  keys(): Promise<readonly ProviderKeyState[]>;
  /** Those of a task that wait, oldest first. */
  waitingCalls(taskId: string): Promise<readonly WaitingCall[]>;
}

type Int = number | null;

export const toBounds = (requests: Int, tokens: Int): ProviderBounds => ({
  ...(requests === null ? {} : { requestsPerMinute: requests }),
  ...(tokens === null ? {} : { tokensPerMinute: tokens }),
});

export const toProviderLimit = ([provider, requests, tokens]: [string, Int, Int]): ProviderLimit => ({
  provider,
  ...toBounds(requests, tokens),
});

export type ProviderKeyColumns = [
  key: string,
  provider: string,
  requestsPerMinute: Int,
  tokensPerMinute: Int,
  requests: number,
  tokens: number,
  waiting: number,
];

export const toProviderKey = (columns: ProviderKeyColumns): ProviderKeyState => {
  const [key, provider, requestsPerMinute, tokensPerMinute, requests, tokens, waiting] = columns;
  return { key, provider, bounds: toBounds(requestsPerMinute, tokensPerMinute), requests, tokens, waiting };
};

export type WaitingCallColumns = [key: string, provider: string, ahead: number, since: number];

export const toWaitingCall = ([key, provider, ahead, since]: WaitingCallColumns): WaitingCall => ({
  key,
  provider,
  ahead,
  since,
});

/** For both engines: bounds in force, sums and lines at the time `now`. */
export const providerKeysWhere = (now: string): string => `
  select k.key, k.provider,
    case when l.provider is null then k.requests_per_minute else l.requests_per_minute end,
    case when l.provider is null then k.tokens_per_minute else l.tokens_per_minute end,
    (select count(*) from provider_calls c where c.key = k.key and c.state > 0 and c.expires_at > ${now}),
    (select cast(coalesce(sum(tokens), 0) as bigint) from provider_calls c where c.key = k.key and c.state > 0 and c.expires_at > ${now}),
    (select count(*) from provider_calls c where c.key = k.key and c.state = 0 and c.expires_at > ${now})
  from provider_keys k left join provider_limits l on l.provider = k.provider order by k.key`;

/** For both engines, at the time `now`; $1 is the task. */
export const waitingCallsWhere = (now: string): string => `
  select c.key, k.provider,
    (select count(*) from provider_calls b where b.key = c.key and b.state = 0 and b.expires_at > ${now}
       and (b.asked_at < c.asked_at or (b.asked_at = c.asked_at and b.id < c.id))),
    c.asked_at
  from provider_calls c join provider_keys k on k.key = c.key
  where c.task_id = $1 and c.state = 0 and c.expires_at > ${now} order by c.asked_at, c.id`;
