import type { Clock } from '../clock.ts';
import { CancelledError, OpspawnError, recordError, TimeoutError } from '../errors.ts';

export interface Bounds {
  /** What is bounded, for the error's message. */
  what: string;
  signal: AbortSignal;
  clock: Clock;
  /** Default: none. */
  timeoutMs?: number | undefined;
}

/**
 * Runs `fn` with a signal that aborts when the outer one does or the time is up. Settles then, whether `fn` stops or
 * not: with `timeout`, with the outer signal's reason when it is an OpspawnError, otherwise with `cancelled`. What `fn`
 * says afterwards is dropped.
 */
export function runWithin<T>(bounds: Bounds, fn: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
  const { what, signal, clock, timeoutMs } = bounds;
  if (signal.aborted) return Promise.reject(stopError(signal));
  return new Promise<T>((resolve, reject) => {
    const controller = new AbortController();
    const onAbort = (): void => stop(stopError(signal));
    const disarm =
      timeoutMs === undefined ? undefined : clock.after(timeoutMs, () => stop(new TimeoutError(what)));
    const release = (): void => {
      disarm?.();
      signal.removeEventListener('abort', onAbort);
    };
    const stop = (error: OpspawnError): void => {
      release();
      reject(error);
      controller.abort(error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    new Promise<T>((settle) => settle(fn(controller.signal))).finally(release).then(resolve, reject);
  });
}

/** Why a signal was aborted, as an error of ours. */
export function stopError({ reason }: AbortSignal): OpspawnError {
  return reason instanceof OpspawnError ? reason : new CancelledError(recordError(reason).message);
}
