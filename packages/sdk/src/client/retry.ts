import type { OpspawnError } from '@opspawn/agentkit/schema';

const firstDelayMs = 200;
const maxDelayMs = 5000;

/** Before try number `tryNumber` + 1 (from 1): what the server asked for, or exponential with full jitter. */
export const retryDelayMs = (tryNumber: number, error: OpspawnError): number =>
  error.retryAfterMs ?? Math.random() * Math.min(maxDelayMs, firstDelayMs * 2 ** (tryNumber - 1));

/** Resolves after `ms`; rejects with the signal's reason when it fires. */
export function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
