/** What a claim that passes tasks over may cost before the next one has to wait for it. */
const shortMs = 50;
const restFactor = 10;
const longestRestMs = 5_000;

const firstMs = 60_000;
const longestMs = 3_600_000;

/**
 * Tasks whose definition a worker does not have are for others: they stand in the queues that it serves too, while two
 * versions run side by side, or because workers differ. A claim takes whatever is first, which costs nothing, until it
 * brings such a task; from then on claims pass them over, for a minute, and twice as long each time that there is
 * another. Times are those of `performance.now()`.
 */
export class Lacking {
  readonly #definitions: readonly string[];
  #periodMs = firstMs / 2;
  #untilAt = Number.NEGATIVE_INFINITY;
  #restUntilAt = Number.NEGATIVE_INFINITY;

  /** `KIND NAME` of each definition that the worker has. */
  constructor(definitions: readonly string[]) {
    this.#definitions = definitions;
  }

  /** A claim brought a task of none of them. */
  noticed(now: number): void {
    if (now < this.#untilAt) return;
    this.#periodMs = Math.min(2 * this.#periodMs, longestMs);
    this.#untilAt = now + this.#periodMs;
  }

  /** What a claim that begins now takes; undefined: all. */
  wanted(now: number): readonly string[] | undefined {
    return now < this.#untilAt ? this.#definitions : undefined;
  }

  /**
   * Such a claim took so long. It looked at every task that stands before those that it found: a worker that finds
   * little behind a hundred thousand of others would keep the database busy with that alone.
   */
  looked(tookMs: number, now: number): void {
    if (tookMs > shortMs) this.#restUntilAt = now + Math.min(restFactor * tookMs, longestRestMs);
  }

  /** For how long the next claim has to wait. */
  restMs(now: number): number {
    return Math.max(0, this.#restUntilAt - now);
  }
}
