/** What passes between two looks at both clocks and is no jump, in ms. */
const tolerableMs = 500;

/**
 * The store's time as a process knows it without asking: kept by the monotonic clock, so that nothing comes due because
 * somebody set this host's date.
 */
export class StoreTime {
  /** From `performance.now()` to the store's time. Until the store has told it, that of the wall clock. */
  #offsetMs = Date.now() - performance.now();
  #wallOffsetMs = this.#offsetMs;

  /** Unix ms. */
  now(): number {
    return Math.floor(performance.now() + this.#offsetMs);
  }

  /**
   * The store said so between `askedAt` (`performance.now()`) and now. A difference that the way of the answer explains
   * is none.
   */
  note(storeTime: number, askedAt: number): void {
    const least = storeTime - performance.now();
    const most = storeTime + 1 - askedAt;
    this.#offsetMs = Math.min(Math.max(this.#offsetMs, least), most);
  }

  /** Whether wall clock and monotonic clock went apart since the last look: the date was set, or the host slept. */
  hasJumped(): boolean {
    const offsetMs = Date.now() - performance.now();
    const jumpMs = Math.abs(offsetMs - this.#wallOffsetMs);
    this.#wallOffsetMs = offsetMs;
    return jumpMs > tolerableMs;
  }
}
