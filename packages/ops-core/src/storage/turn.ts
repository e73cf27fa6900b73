import type { ClaimedTask, Offer, OwnedResult, StoreListener } from './store.ts';

/** One transaction: its time, and what it did that others want to hear of after its commit. */
export interface Turn {
  /** Unix ms; the time of all that the transaction writes. */
  readonly at: number;
  /** What an owner's write is answered. */
  readonly written: OwnedResult;
  readonly ready: Set<string>;
  /** A list, because a set takes a µs for each id. */
  readonly changed: string[];
  readonly posted: Set<string>;
  /** Offers that were taken. */
  readonly begun: { readonly offer: Offer; readonly task: ClaimedTask }[];
  /** Keys under which a place may have become free, or a task waits for one. */
  readonly unsettled: Set<string>;
  /** Unix ms of the earliest task that was put off; Infinity when there is none. */
  dueAt: number;
}

export function newTurn(at: number): Turn {
  return {
    at,
    written: { ok: true, at },
    ready: new Set(),
    changed: [],
    posted: new Set(),
    begun: [],
    unsettled: new Set(),
    dueAt: Number.POSITIVE_INFINITY,
  };
}

/** To be told as soon as the turn is committed. `onDisk`: see `ClaimedTask`. */
export function begin({ begun }: Turn, onDisk?: ClaimedTask['onDisk']): void {
  for (const { offer, task } of begun) {
    if (onDisk !== undefined) task.onDisk = onDisk;
    offer.begin(task);
  }
}

export function announce(turn: Turn, listeners: readonly StoreListener[]): void {
  for (const listener of listeners) {
    if (turn.ready.size > 0) listener.ready(turn.ready);
    if (turn.changed.length > 0) listener.changed(turn.changed);
    if (turn.posted.size > 0) listener.posted(turn.posted);
    if (turn.dueAt < Number.POSITIVE_INFINITY) listener.due?.(turn.dueAt);
  }
}
