import { setTimeout as sleep } from 'node:timers/promises';
import type { Store } from '../storage/store.ts';

interface UpkeepOptions {
  store: Pick<Store, 'sweep' | 'promoteDue'>;
  /** Unix ms by the store's clock. */
  now: () => number;
  /** In ms, about. Default 1,000. */
  everyMs?: number;
  /** Called after each sweep: the net under lost doorbells. */
  onSwept?: () => void;
  onError: (error: unknown) => void;
}

const sweepEveryMs = 1_000;
const batch = 500;
/** A timer sleeps no longer, however far off the next due time is: the sweep asks anyhow. */
const longestTimerMs = 60_000;

/**
 * What somebody must do all the time: take tasks from the dead, and make ready what has become due. It keeps the process
 * alive until it is disposed.
 */
export class Upkeep implements AsyncDisposable {
  readonly #options: UpkeepOptions;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #timerDueAt = Number.POSITIVE_INFINITY;
  #promoting: Promise<void> | undefined;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#ended = this.#sweepRegularly();
  }

  /** Something becomes due at this time (Unix ms). */
  noteDue(dueAt: number): void {
    if (dueAt >= this.#timerDueAt || this.#stopping.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timerDueAt = dueAt;
    const delayMs = Math.min(Math.max(dueAt - this.#options.now(), 0), longestTimerMs);
    this.#timer = setTimeout(() => {
      this.#timerDueAt = Number.POSITIVE_INFINITY;
      this.promote();
    }, delayMs).unref();
  }

  /** Makes ready what is due, and sets the timer for what is due next. One call at a time. */
  promote(): void {
    if (this.#stopping.signal.aborted) return;
    this.#promoting ??= this.#promoteAll()
      .catch(this.#options.onError)
      .finally(() => {
        this.#promoting = undefined;
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#timer);
    await this.#ended;
    await this.#promoting;
  }

  async #promoteAll(): Promise<void> {
    const { store, now } = this.#options;
    let nextDueAt: number | undefined;
    let lastDueAt: number | undefined;
    do {
      lastDueAt = nextDueAt;
      nextDueAt = await store.promoteDue(batch);
      if (this.#stopping.signal.aborted || nextDueAt === undefined) return;
      // Due by our clock and not by the store's, which counts: a timer would go off at once. The sweep asks again.
      if (nextDueAt === lastDueAt) return;
    } while (nextDueAt <= now());
    this.noteDue(nextDueAt);
  }

  async #sweepRegularly(): Promise<void> {
    const { store, everyMs = sweepEveryMs, onSwept, onError } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        while ((await store.sweep(batch)) === batch && !signal.aborted);
        this.promote();
        onSwept?.();
      } catch (error) {
        onError(error);
      }
      // Not all processes of a host at once.
      const pauseMs = everyMs * (0.8 + 0.4 * Math.random());
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
    }
  }
}
