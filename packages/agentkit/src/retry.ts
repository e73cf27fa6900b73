import { isRetryable, OpspawnError } from './errors.ts';
import type { RetryPolicy } from './steps.ts';

export const defaultRetry: RetryPolicy = {
  maxAttempts: 3,
  initialDelayMs: 500,
  factor: 2,
  maxDelayMs: 30_000,
};

/**
 * How long to wait before the next try, in ms, or undefined when this failure is final. Exponential with full jitter;
 * never shorter than the error's `retryAfterMs`.
 */
export function retryDelayMs(policy: RetryPolicy, tryNumber: number, thrown: unknown): number | undefined {
  if (tryNumber >= policy.maxAttempts || !isRetryable(thrown)) return undefined;
  const boundMs = Math.min(policy.maxDelayMs, policy.initialDelayMs * policy.factor ** (tryNumber - 1));
  const retryAfterMs = thrown instanceof OpspawnError ? (thrown.retryAfterMs ?? 0) : 0;
  return Math.max(Math.random() * boundMs, retryAfterMs);
}
