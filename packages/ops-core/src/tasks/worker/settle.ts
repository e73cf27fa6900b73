/** Turns the outcome of an attempt into the one write that ends it. */
import { isRetryable, type RetryPolicy, recordError, retryDelayMs } from '@opspawn/agentkit';
import { errorText } from '../durable/entry-data.ts';
import { outcomeEntries } from '../durable/outcome.ts';
import type { DurableOutcome } from '../durable/port.ts';
import type { Attempt, UnownedWrite } from './attempt.ts';

type Failed = Extract<DurableOutcome, { kind: 'failed' }>;

const unsureMs = 1_000;

/** The write that an outcome asks for; undefined when there is nothing to write any more. */
export function settlementOf(
  outcome: DurableOutcome,
  attempt: Attempt,
  retry: RetryPolicy,
): UnownedWrite | undefined {
  switch (outcome.kind) {
    case 'completed':
      return { op: 'finish', status: 'completed', entries: outcomeEntries(outcome) };
    case 'failed':
      return failure(outcome, attempt, retry);
    case 'cancelled':
      return { op: 'finish', status: 'cancelled', entries: outcomeEntries(outcome), takes: outcome.takes };
    case 'paused':
      return { op: 'pause', reason: outcome.reason, entries: outcomeEntries(outcome), takes: outcome.takes };
    case 'stopped':
      return attempt.stopCause === 'deadline'
        ? failureOf(outcome.error, attempt, retry)
        : giveBack(attempt, 0);
    case 'lost':
      // It could not be sure to hold its lease. Should it hold it after all, nobody else would take the task.
      return attempt.stopCause === 'lease_lost' ? undefined : giveBack(attempt, unsureMs);
    case 'suspended':
      return undefined;
    default:
      return outcome satisfies never;
  }
}

/** What an error that ended the attempt from outside its function comes to. Nothing may be being written. */
export const failureOf = (thrown: unknown, attempt: Attempt, retry: RetryPolicy): UnownedWrite =>
  failure(
    {
      kind: 'failed',
      error: recordError(thrown),
      retryable: isRetryable(thrown),
      nextSeq: attempt.lastSeq + 1,
      thrown,
    },
    attempt,
    retry,
  );

/** Gives the task back, due after `delayMs`, without a failure. */
export const giveBack = (attempt: Attempt, delayMs: number): UnownedWrite => ({
  op: 'release',
  entries: [],
  failures: attempt.task.failures,
  delayMs,
});

function failure(outcome: Failed, attempt: Attempt, retry: RetryPolicy): UnownedWrite {
  const failures = attempt.task.failures + 1;
  const pauseMs = outcome.retryable ? retryDelayMs(retry, failures, outcome.thrown) : undefined;
  if (pauseMs === undefined) return { op: 'finish', status: 'failed', entries: outcomeEntries(outcome) };
  const delayMs = Math.ceil(pauseMs);
  const data = `{"error":${errorText(outcome.error)},"failures":${failures},"retryInMs":${delayMs}}`;
  return {
    op: 'release',
    failures,
    delayMs,
    entries: [{ seq: outcome.nextSeq, type: 'attempt.failed', data }],
  };
}
