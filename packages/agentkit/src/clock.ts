/** Time, as a parameter: tests bring their own. */
export interface Clock {
  /** Unix time, ms. */
  now(): number;
  /** Calls `fire` once after `delayMs`. Gives what takes it back; taking it back late does nothing. */
  after(delayMs: number, fire: () => void): () => void;
}

/** Beyond this `setTimeout` fires at once. */
const longestTimerMs = 2 ** 31 - 1;

/** The machine's clock. Its timers keep the process alive. */
export const systemClock: Clock = {
  now: Date.now,
  after(delayMs, fire) {
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      const nextMs = Math.min(leftMs, longestTimerMs);
      timer = setTimeout(() => (leftMs > nextMs ? arm(leftMs - nextMs) : fire()), nextMs);
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  },
};
