import { systemClock } from '../clock.ts';
import type { StepContext } from '../steps.ts';
import type { RunLimits } from './run-limits.ts';
import { runWithin } from './run-within.ts';

/**
 * The tries of one call within the run's wall time: none begins after it, and no pause between two outlasts it. A try that is
 * under way comes to its own end, which is recorded.
 */
export class TimedTries {
  readonly #limits: RunLimits;
  readonly #deadlineAt: number;
  readonly #isOver: Promise<never>;
  #giveUp: (error: Error) => void = () => {};
  #disarm: (() => void) | undefined;

  constructor(limits: RunLimits) {
    this.#limits = limits;
    this.#deadlineAt = performance.now() + limits.remainingMs();
    this.#isOver = new Promise((_, reject) => {
      this.#giveUp = reject;
    });
  }

  get leftMs(): number {
    return this.#deadlineAt - performance.now();
  }

  /** One try; the first has its time of the step itself. Throws once the wall time is over. */
  async try<T>(
    what: string,
    { tryNumber, signal }: StepContext,
    fn: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    this.#endPause();
    if (this.leftMs < 0) throw this.#limits.wallTimeExceeded();
    if (tryNumber === 1 || !this.#areBounded) return await fn(signal);
    return await runWithin({ what, signal, clock: systemClock, timeoutMs: this.leftMs }, fn);
  }

  /** What follows the try of this signal, once it is aborted, is a pause. */
  pauseAfter(signal: AbortSignal): void {
    if (this.#areBounded) signal.addEventListener('abort', () => this.pause(), { once: true });
  }

  /** What follows is a pause, or the end of the step. */
  pause(): void {
    if (this.#disarm !== undefined || !this.#areBounded) return;
    const leftMs = Math.max(0, this.leftMs);
    this.#disarm = systemClock.after(leftMs, () => this.#giveUp(this.#limits.wallTimeExceeded()));
  }

  /** The step, until its pauses have outlasted the wall time. */
  async within<T>(step: Promise<T>): Promise<T> {
    if (!this.#areBounded) return await step;
    try {
      return await Promise.race([step, this.#isOver]);
    } finally {
      this.#endPause();
    }
  }

  get #areBounded(): boolean {
    return Number.isFinite(this.#deadlineAt);
  }

  #endPause(): void {
    this.#disarm?.();
    this.#disarm = undefined;
  }
}
