import { z } from 'zod';
import { count } from './check-options.ts';
import { isRetryable, OpspawnError } from './errors.ts';
import type { RetryPolicy } from './steps.ts';

export const defaultRetry: RetryPolicy = {
  maxAttempts: 3,
  initialDelayMs: 500,
  factor: 2,
  maxDelayMs: 30_000,
};

/** A policy, or a part of one. */
export const retrySchema = z.strictObject({
  maxAttempts: count.optional(),
  initialDelayMs: z.number().nonnegative().optional(),
  factor: z.number().min(1).optional(),
  maxDelayMs: z.number().nonnegative().optional(),
} satisfies Record<keyof RetryPolicy, z.ZodType>);

/** No time is further off than stores and clocks can tell, whatever a policy or an error asks for. */
const longestMs = 365 * 24 * 3_600_000;

/**
 * How long to wait before the next try, in ms, or undefined when this failure is final. Exponential with full jitter;
 * never shorter than the error's `retryAfterMs`, nor longer than a year.
 */
export function retryDelayMs(policy: RetryPolicy, tryNumber: number, thrown: unknown): number | undefined {
  if (tryNumber >= policy.maxAttempts || !isRetryable(thrown)) return undefined;
  // The power may be infinite, and nothing times that is no number.
  const grownMs = policy.initialDelayMs === 0 ? 0 : policy.initialDelayMs * policy.factor ** (tryNumber - 1);
  const boundMs = Math.min(policy.maxDelayMs, grownMs);
  const retryAfterMs = thrown instanceof OpspawnError ? (thrown.retryAfterMs ?? 0) : 0;
  const ms = Math.max(Math.random() * boundMs, Number.isNaN(retryAfterMs) ? 0 : retryAfterMs);
  return Math.min(ms, longestMs);
}
