import { encodeJson, isRetryable, recordError } from '@opspawn/agentkit';
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

function failed(run: DurableRun, thrown: unknown): Ending {
  const failedStep = causeOfFailure(run, thrown);
  return {
    kind: 'failed',
    error: recordError(thrown),
    retryable: isRetryable(thrown),
    thrown,
    ...(failedStep === undefined ? {} : { failedStep }),
  };
}

/**
 * Seq of the recorded failure that ended the function: the earliest one among the error, its causes and the errors it
 * gathers. An error that names none is laid to a failure that was the very last thing handed out.
 */
function causeOfFailure(run: DurableRun, thrown: unknown): number | undefined {
  const found = failuresIn(run, thrown, 0);
  if (found.length > 0) return Math.min(...found);
  const last = run.lastHandout?.entry;
  return last?.type === 'step.failed' ? last.seq : undefined;
}

function failuresIn(run: DurableRun, thrown: unknown, depth: number): number[] {
  if (!(thrown instanceof Error) || depth > maxDepth) return [];
  const own = run.failureOf(thrown);
  const gathered = thrown instanceof AggregateError ? thrown.errors : [];
  const inner = [thrown.cause, ...gathered].flatMap((each) => failuresIn(run, each, depth + 1));
  return own === undefined ? inner : [own, ...inner];
}
