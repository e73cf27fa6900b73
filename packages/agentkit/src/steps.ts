/**
 * The seam between agents and durability. agentkit knows only these interfaces; `memorySteps` implements them for a
 * run that lives in this process, ops-core implements them over a task's journal.
 *
 * Every call is identified by (branch, name, count under that name in that branch). A recorded call returns its
 * recorded outcome and does not run again.
 */

import type { RecordedError } from './errors.ts';
import type { AgentEvent } from './event.ts';
import type { Json } from './json.ts';

/**
 * What a step changes outside, in the vocabulary of MCP tool annotations:
 * `read` nothing; `idempotent` the same when it is done twice with one idempotency key; `once` must not be repeated.
 * An intent is recorded before a `once` step; after a crash between intent and result it is in doubt and is never
 * silently run again.
 */
export type Effect = 'read' | 'idempotent' | 'once';

/** What kind of work a step is, for traces, costs and views. */
export type StepKind = 'step' | 'llm' | 'tool';

export interface RetryPolicy {
  /** Tries in all, ≥ 1. 1 = no retry. */
  maxAttempts: number;
  /** Upper bound of the first delay; the delay is drawn between 0 and it (full jitter). */
  initialDelayMs: number;
  /** Each further bound is this many times the one before, ≥ 1. */
  factor: number;
  maxDelayMs: number;
}

/** What a probe found out about an effect in doubt. */
export type Reconciliation<T> =
  | { outcome: 'done'; result: T }
  | { outcome: 'not_done' }
  | { outcome: 'unknown' };

export interface StepContext {
  /** `<taskId>:<hash of [branch, name, count]>`: the same on every try of this step, unique to it. */
  readonly idempotencyKey: string;
  /** Aborts on cancel, time-out, lost lease, or when the branch of this step lost its race. */
  readonly signal: AbortSignal;
  /** Number of this try within the current attempt of the task, from 1. */
  readonly tryNumber: number;
}

export interface StepOptions<T> {
  /** Default `idempotent`. */
  effect?: Effect;
  /** Default `step`. */
  kind?: StepKind;
  /**
   * Default: the policy of the definition; for effect `once` one try. Errors with `retryable: false` are final. A delay
   * is never shorter than the error's `retryAfterMs`.
   */
  retry?: Partial<RetryPolicy>;
  /** Time for one try, in ms. Default: none. */
  timeoutMs?: number;
  /** Asked first when the effect is in doubt. */
  reconcile?: (step: StepContext) => Promise<Reconciliation<T>>;
  /** What decides when the probe is missing or does not know. Default `ask`: a person decides. */
  onUnknown?: 'ask' | 'retry' | 'fail';
  /** What an operator should see of the intent, for instance the tool and its arguments. */
  intent?: Json;
  /** Of effect `once`: it may have been had before this step. It is settled as after a crash, before anything runs. */
  isInDoubt?: boolean;
}

export type WaitRequest =
  | { kind: 'sleep'; name?: string; ms: number }
  | { kind: 'signal'; name: string; timeoutMs?: number }
  | ({ kind: 'approval'; name: string; payload?: Json; timeoutMs?: number } & Answered)
  /** `schema`: JSON Schema of the answer. */
  | ({ kind: 'question'; name: string; prompt: string; schema?: Json; timeoutMs?: number } & Answered);

interface Answered {
  /** What of a person's words is recorded, and given to who asked. Default: all. */
  redact?: <T extends Json | undefined>(said: T) => T;
}

/** A person's answer to an approval. `by` names the person. */
export interface Decision {
  approved: boolean;
  by: string;
  comment?: string;
}

export interface ChildRequest {
  kind: 'agent' | 'function' | 'workflow';
  name: string;
  input?: Json;
  /** What the step is called, where several ask for the same. Default: `name`. */
  step?: string;
  /** The child is ended after so long and has failed then. Default: what its definition says. */
  timeoutMs?: number;
}

/** One recorded step, oldest first in `history()`. */
export interface StepRecord {
  seq: number;
  branch: string;
  name: string;
  count: number;
  kind: StepKind | WaitRequest['kind'] | 'child';
  outcome: { ok: true; value: Json | undefined } | { ok: false; error: RecordedError };
  /** Unix time, ms. */
  startedAt: number;
  finishedAt: number;
}

/** Branches of one `all`, `map` or `race`. A closed branch's calls never settle and its running steps are aborted. */
export interface BranchSet {
  run<T>(index: number, fn: () => T | Promise<T>): Promise<T>;
  close(): void;
}

export interface BudgetAmount {
  tokens?: number;
  costMicroUsd?: number;
}

/** A reservation belongs to a step: the same step reserving again replaces its own reservation. */
export interface Budget {
  /** May wait for what others hold. Throws `BudgetExceededError`, and then holds nothing. */
  reserve(step: string, amount: BudgetAmount): Promise<void>;
  /** Replaces the step's reservation by what was used. */
  settle(step: string, used: BudgetAmount): Promise<void>;
  /** What is not used up yet, reservations aside, where something is bounded. Absent: nothing is. */
  remaining?(): BudgetAmount;
  /** What the run has used, with all that it has handed work on to, as far as it is known. Absent: not known. */
  used?(): BudgetAmount;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Steps {
  /** The task or run that these steps belong to. */
  readonly taskId: string;
  readonly namespace: string;
  /** Aborts when the run is to stop: cancel, deadline, lost lease, shutdown. */
  readonly signal: AbortSignal;
  readonly budget: Budget;
  /**
   * Runs and records a step. Rejects with `StepError` when the step failed for good, live and on replay alike; every
   * other error means that the run itself cannot go on (cancelled, lease lost, a broken promise of durable code).
   */
  run<T>(name: string, fn: (step: StepContext) => T | Promise<T>, options?: StepOptions<T>): Promise<T>;
  /**
   * Sleep gives undefined, signal and question what was sent, approval a Decision. Time-outs reject with `timeout`, a
   * question that a person declines with `declined`.
   */
  wait(request: WaitRequest): Promise<Json | undefined>;
  /** Runs a child task and gives its output. Rejects with `StepError` when it failed or was cancelled. */
  child(request: ChildRequest): Promise<Json | undefined>;
  branch(kind: 'all' | 'map' | 'race', count: number): BranchSet;
  /** What is recorded so far. A reader of it may ask for its steps in any order. */
  history(): readonly StepRecord[];
  /** A live event: shown to whoever watches, not recorded. */
  emit(event: AgentEvent): void;
  /** A recorded log line. */
  log(level: LogLevel, message: string, fields?: Record<string, Json>): void;
  /** Unix time in ms, of the last recorded result; the same on replay. */
  now(): number;
  /** In [0, 1); the same on replay. */
  random(): number;
  /** A version 4 shaped UUID drawn from `random`; the same on replay. */
  uuid(): string;
}
