import type { Budget, ChildRequest, Json, OpspawnError, RecordedError, RetryPolicy } from '@opspawn/agentkit';
import type {
  Effects,
  EntryRow,
  InboxItem,
  InboxRow,
  NewEntry,
  NewTask,
  StoredWait,
} from '../../storage/store.ts';

/** What a child task is made of by its parent; the runtime adds its identity and where it reports its end. */
export type ChildTask = Omit<NewTask, 'id' | 'parentId' | 'parentKey'>;

/** What a running attempt of a durable function needs from below. The worker implements it over the store. */
export interface TaskPort {
  readonly taskId: string;
  readonly namespace: string;
  readonly attempt: number;
  /** Unix ms: `ctx.now()` until the first result. */
  readonly createdAt: number;
  /** Last seq of the journal at the claim. */
  readonly lastSeq: number;
  /** Until it resolves, a power failure may undo the claim. Resolves with why it may still do. Absent: it may not. */
  readonly claimOnDisk?: Promise<OpspawnError | undefined> | undefined;
  /**
   * Commits the entries and their effects. Gives their `at`. Rejects with `lease_lost` when the attempt was superseded;
   * any other error ends the task as failed, so that passing ones (`unavailable`) are to be waited out below. `posts`
   * to tasks that have ended are ignored.
   */
  append(entries: readonly NewEntry[], effects?: Effects): Promise<number>;
  /**
   * Gives the task up. false: something for an open wait or a control item came in meanwhile, which `inbox()` now shows;
   * nothing was written, go on.
   */
  suspend(waits: readonly StoredWait[]): Promise<boolean>;
  /** Items not yet taken, oldest first; kept up to date by the worker. */
  inbox(): readonly InboxRow[];
  /** Called whenever `inbox()` may have grown. */
  onInbox(listener: () => void): void;
  /** Whether somebody follows the task live. */
  isWatched(): boolean;
  /** Unix ms by the store's clock, as well as this process knows it. */
  now(): number;
  /** Whether the lease surely holds now, by the local monotonic clock. Asked between an intent and its effect. */
  holdsLease(): boolean;
  /** Shows a live event to whoever watches. Never throws. */
  emit(event: unknown): void;
  /** Queue, priority and options of a child, by its definition. What it throws becomes the child's recorded failure. */
  childTask(request: ChildRequest): ChildTask;
  /**
   * Posts to this task's inbox from outside: a step with effect `once` ended after the attempt was over. Never throws.
   */
  postEvidence(item: InboxItem): void;
  /** Fires when the attempt must stop: lost lease, deadline, shutdown. Its reason is an OpspawnError. */
  readonly signal: AbortSignal;
  /** Whether it has fired. */
  readonly isStopped: boolean;
}

/**
 * How an attempt ended. For `completed`, `failed` and `cancelled` the worker writes the terminal entry with `nextSeq`
 * (or releases the task for a retry), for `paused` the entry of the pause: `outcomeEntries` makes them. `suspended` has
 * been written already; `lost` and `stopped` wrote nothing and mean that the lease is gone or `TaskPort.signal` fired.
 */
export type DurableOutcome =
  | {
      kind: 'completed';
      value: string | undefined;
      nextSeq: number;
      asked: number;
      /** Entries before the terminal one that are not written yet. */
      rest: readonly NewEntry[];
    }
  | {
      kind: 'failed';
      error: RecordedError;
      retryable: boolean;
      nextSeq: number;
      thrown: unknown;
      /** Seq of the recorded failure of a step that led to it. A retry by an operator reopens it and those after it. */
      failedStep?: number;
    }
  | { kind: 'cancelled'; reason: string; nextSeq: number; takes: readonly string[] }
  | {
      kind: 'paused';
      reason: 'operator' | 'non_determinism' | 'no_progress' | 'budget';
      details: Json;
      nextSeq: number;
      takes: readonly string[];
    }
  | { kind: 'suspended' }
  | { kind: 'lost'; error: OpspawnError }
  | { kind: 'stopped'; error: OpspawnError };

/** What a budget is told of the run that draws from it. */
export interface BudgetRun {
  readonly signal: AbortSignal;
  /** Standing still is no lack of progress while a budget is waited for. */
  isWaiting(): void;
}

export interface DurableOptions {
  /** `replay`: the body is run again from its start. `history`: the body folds `history()` and goes on (the agent loop). */
  mode: 'replay' | 'history';
  /** For steps that say nothing else. Default: 3 tries, 500 ms doubling up to 30 s. Effect `once` is tried once. */
  defaultRetry?: Partial<RetryPolicy>;
  /** Default: one without limits. */
  budget?: (run: BudgetRun) => Budget;
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
