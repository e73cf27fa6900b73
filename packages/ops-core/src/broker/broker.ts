/** Carries doorbells, never state: losing one delays work, and the sweep finds what is due. */
export interface Broker extends AsyncDisposable {
  /** Tells who listens on these queues, in any process, that tasks may be ready. Never throws, never waits. */
  ring(queues: ReadonlySet<string>): void;
  /**
   * Calls `onRing` when one of the queues rang. A ring reaches at least one listener that is open, not always all of
   * them; rings that come close together may be heard as one. Dispose: stop listening; what was not answered yet goes to
   * others.
   */
  subscribe(queues: readonly string[], onRing: RingListener): Doorbell;
}

/**
 * Resolves when the listener has claimed what it could. `true`: there may be more than that, so that others are to hear
 * of it too.
 */
export type RingListener = () => Promise<boolean> | undefined;

export interface Doorbell extends Disposable {
  /**
   * `false`: the listener has no room for tasks, and rings are to go to others. A moment passes before that takes effect,
   * so that a worker that is full now and then costs nothing. Default: `true`.
   */
  open(isOpen: boolean): void;
}

/**
 * Carries live events and tail wake-ups between processes. Losing a message costs smoothness, never entries: who
 * follows a task reads the journal and treats `changed` as a hint.
 */
export interface LiveChannel extends AsyncDisposable {
  publish(message: LiveMessage): void;
  /** Whether somebody watches the task, here or as far as is known elsewhere. */
  isWatched(taskId: string): boolean;
  subscribe(taskId: string, onMessage: (message: LiveMessage) => void): Disposable;
}

/**
 * What the worker that runs a task subscribes to instead of the task, to hear of what is posted to it: it is no watcher,
 * and must not make its own agent stream.
 */
export const inboxOf = (taskId: string): string => `${taskId}/inbox`;

export type LiveMessage =
  /** The task's journal, inbox or status changed. */
  | { type: 'changed'; taskId: string }
  /** The task's inbox got an item, for the attempt that runs it; `taskId` is `inboxOf` the task's id. */
  | { type: 'posted'; taskId: string }
  /** An ephemeral event of a running attempt. */
  | { type: 'event'; taskId: string; attempt: number; event: unknown };
