import { encodeJson, isRetryable, type Json, OpspawnError, recordError } from '@opspawn/agentkit';
import type { DurableRun } from './durable-run.ts';
import { type Ending, failedFinally } from './ending.ts';

const maxDepth = 10;

/**
 * What the end of the function means for the task. Once the cancel was handed out the task is cancelled, however the
 * function ended: what it did since then was to clean up.
 */
export function settledEnding(run: DurableRun): Ending | undefined {
  const { settled, cancelReason } = run;
  if (cancelReason !== undefined) return { kind: 'cancelled', reason: cancelReason };
  if (settled === undefined) return undefined;
  return settled.ok ? completed(settled.value) : failed(run, settled.thrown);
}

/** What JSON cannot hold is `not_json`. */
function completed(value: unknown): Ending {
  try {
    return { kind: 'completed', value: encodeJson(value, 'the result') };
  } catch (thrown) {
    return failedFinally(thrown);
  }
}

/** A run that asked to be looked at before it goes on: what it recorded tells it then that somebody did. */
const asksForPause = (thrown: unknown): thrown is OpspawnError =>
  thrown instanceof OpspawnError && thrown.code === 'no_progress' && thrown.details.pause === true;

/** A failure that is recorded comes again on every replay, so that trying again cannot help. */
function failed(run: DurableRun, thrown: unknown): Ending {
  if (asksForPause(thrown)) {
    const { pause: _, ...evidence } = thrown.details;
    const details = { message: thrown.message, ...evidence } as Json;
    return { kind: 'paused', reason: 'no_progress', details };
  }
  const recorded = failuresIn(run, thrown, 0);
  const failedStep = recorded.length > 0 ? Math.min(...recorded) : justFailed(run);
  return {
    kind: 'failed',
    error: recordError(thrown),
    retryable: recorded.length === 0 && isRetryable(thrown),
    thrown,
    ...(failedStep === undefined ? {} : { failedStep }),
  };
}

/** An error that names no failure is laid to one that was the very last thing handed out. */
function justFailed({ lastHandout }: DurableRun): number | undefined {
  return lastHandout?.entry.type === 'step.failed' ? lastHandout.entry.seq : undefined;
}

/** Seqs of the recorded failures among an error, its causes and the errors it gathers. */
function failuresIn(run: DurableRun, thrown: unknown, depth: number): number[] {
  if (!(thrown instanceof Error) || depth > maxDepth) return [];
  const own = run.failureOf(thrown);
  const gathered = thrown instanceof AggregateError ? thrown.errors : [];
  const inner = [thrown.cause, ...gathered].flatMap((each) => failuresIn(run, each, depth + 1));
  return own === undefined ? inner : [own, ...inner];
}
