import type { Json, OpspawnError, RecordedError } from '@opspawn/agentkit';
import type { Effects, EntryRow, InboxRow, NewEntry, StoredWait } from '../../storage/store.ts';

/** What a running attempt of a durable function needs from below. The worker implements it over the store. */
export interface TaskPort {
  readonly taskId: string;
  readonly namespace: string;
  readonly attempt: number;
  /** Unix ms: `ctx.now()` until the first result. */
  readonly createdAt: number;
  /** Last seq of the journal at the claim. */
  readonly lastSeq: number;
  /** Commits the entries and their effects. Gives their `at`. Rejects with `lease_lost` when the attempt was superseded. */
  append(entries: readonly NewEntry[], effects?: Effects): Promise<number>;
  /** Gives the task up. false: something for an open wait came in meanwhile; nothing was written, go on. */
  suspend(waits: readonly StoredWait[]): Promise<boolean>;
  /** Items not yet taken, oldest first; kept up to date by the worker. */
  inbox(): readonly InboxRow[];
  /** Called whenever `inbox()` may have grown. */
  onInbox(listener: () => void): void;
  /** Unix ms by the store's clock, as well as this process knows it. */
  now(): number;
  /** Whether the lease surely holds now, by the local monotonic clock. Asked between an intent and its effect. */
  holdsLease(): boolean;
  /** Shows a live event to whoever watches. Never throws. */
  emit(event: unknown): void;
  /** Fires when the attempt must stop: lost lease, deadline, shutdown. Its reason is an OpspawnError. */
  readonly signal: AbortSignal;
}

/**
 * How an attempt ended. For `completed`, `failed` and `cancelled` the worker writes the terminal entry with `nextSeq`
 * (or releases the task for a retry); `suspended` has been written already; `stopped` wrote nothing and means that
 * `TaskPort.signal` fired.
 */
export type DurableOutcome =
  | { kind: 'completed'; value: string | undefined; nextSeq: number; asked: number }
  | { kind: 'failed'; error: RecordedError; retryable: boolean; nextSeq: number; thrown: unknown }
  | { kind: 'cancelled'; reason: string; nextSeq: number; takes: readonly string[] }
  | { kind: 'paused'; reason: 'operator' | 'non_determinism' | 'no_progress' | 'budget'; details: Json; nextSeq: number; takes: readonly string[] }
  | { kind: 'suspended' }
  | { kind: 'lost'; error: OpspawnError }
  | { kind: 'stopped'; error: OpspawnError };

export interface DurableOptions {
  /** `replay`: the body is run again from its start. `history`: the body folds `history()` and goes on (the agent loop). */
  mode: 'replay' | 'history';
  /** How long a missing request is waited for, in ms. Default 1,000 (or twice the recorded gap if longer). */
  graceMs?: number;
  /** With nothing pending for so long the task pauses with `no_progress`. Default 60,000. */
  stuckMs?: number;
  /** A wait due within this stays in memory. Default 1,000. */
  lingerMs?: number;
  /** `fail`: a request outside its turn fails the run with `io_outside_step` (crash-test). Default `warn`. */
  outOfTurn?: 'warn' | 'fail';
}

/** The journal of a task, complete and in order. */
export type Journal = readonly EntryRow[];
