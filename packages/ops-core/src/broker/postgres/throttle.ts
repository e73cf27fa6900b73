/**
 * Calls `flush` soon after a request: at the end of the turn when it rested, otherwise `everyMs` after the last call
 * ended. Requests in between are one, and there are never two calls at a time.
 */
export class Throttle implements Disposable {
  readonly #everyMs: number;
  readonly #flush: () => Promise<void>;
  #state: 'resting' | 'scheduled' | 'flushing' = 'resting';
  #isWanted = false;
  #isDisposed = false;
  #timer: NodeJS.Timeout | undefined;

  /** `flush` must not reject. */
  constructor(everyMs: number, flush: () => Promise<void>) {
    this.#everyMs = everyMs;
    this.#flush = flush;
  }

  request(): void {
    this.#isWanted = true;
    if (this.#state !== 'resting') return;
    this.#state = 'scheduled';
    setImmediate(() => void this.#run());
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    if (this.#isDisposed) return;
    this.#state = 'flushing';
    this.#isWanted = false;
    await this.#flush();
    if (this.#isDisposed) return;
    this.#state = 'scheduled';
    this.#timer = setTimeout(() => {
      this.#state = 'resting';
      if (this.#isWanted) this.request();
    }, this.#everyMs).unref();
  }
}
