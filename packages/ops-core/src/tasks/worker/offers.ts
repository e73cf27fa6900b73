import { AsyncLocalStorage } from 'node:async_hooks';
import type { ClaimedTask, Offer } from '../../storage/store.ts';

interface OffersOptions {
  readonly attemptTimeoutMs: number;
  begin: (task: ClaimedTask) => void;
  /** It may hold a task that it was never told of. */
  onUnclear: () => void;
}

/** Slots that a worker has promised to tasks which are being submitted in its process. */
export class Offers {
  readonly #options: OffersOptions;
  /** Who submits may be another task, whose context the new one must not inherit. */
  readonly #outsideTasks = AsyncLocalStorage.snapshot();
  #pending = 0;
  #settled: PromiseWithResolvers<void> | undefined;

  constructor(options: OffersOptions) {
    this.#options = options;
  }

  /** Slots that are promised. */
  get pending(): number {
    return this.#pending;
  }

  make(workerId: string): Offer {
    const { attemptTimeoutMs, begin, onUnclear } = this.#options;
    let isOpen = true;
    const close = (): boolean => {
      if (!isOpen) return false;
      isOpen = false;
      this.#pending -= 1;
      if (this.#pending === 0) this.#settled?.resolve();
      return true;
    };
    this.#pending += 1;
    return {
      workerId,
      attemptTimeoutMs,
      begin: (task) => {
        if (close()) this.#outsideTasks(begin, task);
      },
      end: (isUnclear) => {
        if (close() && isUnclear) onUnclear();
      },
    };
  }

  /** Resolves when none is open; none may be made meanwhile. */
  async settled(): Promise<void> {
    if (this.#pending === 0) return;
    this.#settled = Promise.withResolvers();
    await this.#settled.promise;
  }
}
