/** Steps: intent, execution, recorded end. */
import { CancelledError, OpspawnError, type RecordedError, recordError } from '@opspawn/agentkit';
import type { Effects } from '../../storage/store.ts';
import { ambient } from './ambient.ts';
import type { DurableRun } from './durable-run.ts';
import { stepCompletedText, stepFailedText, stepIntendedText } from './entry-data.ts';
import { identityLabel } from './identity.ts';
import type { Request, StepWork } from './request.ts';
import { retryPolicy, type StepEnd, StepExecution } from './step-execution.ts';

/** How a call ended, and what else goes into the entry and its transaction. */
export interface Recorded {
  startedAt: number;
  tries?: number;
  by?: string;
  effects?: Effects;
  thrown?: unknown;
}

/** Records a result; its call gets it when it is handed out. `value` is JSON text. */
export function recordResult(
  run: DurableRun,
  request: Request,
  value: string | undefined,
  { startedAt, tries = 1, by, effects }: Recorded,
): void {
  const data = stepCompletedText(request.kind, startedAt, value, tries, by);
  const { key } = request;
  run.writer.add('step.completed', request, data, effects, (entry, at) => {
    run.evidence.recorded(request);
    run.enqueue({ key, entry, at });
  });
  run.writer.flush();
}

/** Records a final failure; its call rejects with it when it is handed out. */
export function recordFailure(
  run: DurableRun,
  request: Request,
  error: RecordedError,
  { startedAt, tries = 1, effects, thrown }: Recorded,
): void {
  const data = stepFailedText(request.kind, startedAt, error, tries);
  const { key } = request;
  run.writer.add('step.failed', request, data, effects, (entry, at) => {
    run.evidence.recorded(request);
    run.enqueue({ key, entry, at, thrown });
  });
  run.writer.flush();
}

/** What becomes of an effect that may or may not have been had. */
export type SettleDoubt = (run: DurableRun, request: Request, work: StepWork) => void;

/** Commits the intent of a step with effect `once`, and then runs it, or settles it where it may have been had before. */
export function intendStep(
  run: DurableRun,
  request: Request,
  work: StepWork,
  settleDoubt: SettleDoubt,
): void {
  run.running.add(request);
  const data = stepIntendedText(request.kind, work.options.intent);
  run.writer.add('step.intended', request, data, undefined, () => {
    if (!work.options.isInDoubt || request.isDiscarded) return executeStep(run, request, work, settleDoubt);
    run.running.delete(request);
    settleDoubt(run, request, work);
  });
}

/**
 * Runs a step now. One that nobody waits for any more, and that has not begun, is recorded as cancelled instead. Nobody
 * knows what became of an effect whose time ran out: where it must not be repeated, `settleDoubt` is asked.
 */
export function executeStep(
  run: DurableRun,
  request: Request,
  work: StepWork,
  settleDoubt?: SettleDoubt,
): void {
  const startedAt = run.port.now();
  if (request.isDiscarded) {
    run.running.delete(request);
    const error = new CancelledError('nobody waits for it any more; it was not begun');
    recordFailure(run, request, recordError(error), { startedAt });
    return;
  }
  runCode(run, request, work, work.fn, (end) => {
    const isInDoubt = settleDoubt !== undefined && !end.ok && end.error.code === 'timeout';
    if (request.isOnce && !isInDoubt) run.evidence.hold(request, end);
    if (run.isOver) return;
    run.running.delete(request);
    if (isInDoubt && !request.isDiscarded) return settleDoubt(run, request, work);
    if (run.mayRunAhead) return recordAhead(run, request, startedAt, end);
    const { tries } = end;
    if (end.ok) recordResult(run, request, end.text, { startedAt, tries });
    else recordFailure(run, request, end.error, { startedAt, tries, thrown: end.thrown });
  });
}

/**
 * Records the end of a step and puts it in line at once. A crash before its commit is one in the midst of the step: it
 * runs again, or is in doubt. Whatever would then have acted upon a result that never was waits for the commit.
 */
function recordAhead(run: DurableRun, request: Request, startedAt: number, end: StepEnd): void {
  const { key, kind } = request;
  const data = end.ok
    ? stepCompletedText(kind, startedAt, end.text, end.tries)
    : stepFailedText(kind, startedAt, end.error, end.tries);
  const entry = run.writer.addAhead(end.ok ? 'step.completed' : 'step.failed', request, data, {
    mayWait: request.isRead,
    onCommitted: request.isOnce ? () => run.evidence.recorded(request) : undefined,
  });
  const handout = { key, entry, at: run.port.now() };
  run.enqueue(end.ok ? handout : { ...handout, thrown: end.thrown });
}

/** Runs code of a step, its own or its probe's, in the context of its caller. */
export function runCode(
  run: DurableRun,
  request: Request,
  work: StepWork,
  code: StepWork['fn'],
  ended: (end: StepEnd) => void,
): void {
  const { options, inCallersContext } = work;
  const scope = { run, branch: request.branch, step: request };
  const isProbe = code !== work.fn;
  const execution = new StepExecution(
    {
      label: identityLabel(request.identity),
      fn: (step) => inCallersContext(() => ambient.run(scope, code, step)),
      idempotencyKey: () => `${run.taskId}:${request.hash}`,
      policy: retryPolicy(
        request.isOnce || isProbe,
        run.options.defaultRetry,
        isProbe ? undefined : options.retry,
      ),
      timeoutMs: options.timeoutMs,
    },
    {
      ended,
      mayTry: () => !run.isOver && (!request.isOnce || isProbe || leaseHolds(run)),
      // The agent loop tells of its model's steps itself.
      retrying: (step, reason) => {
        if (request.kind !== 'llm') run.emit({ type: 'step.reset', step, reason });
      },
    },
  );
  request.execution = execution;
  run.running.add(request);
  execution.start();
}

/** An effect that must not be repeated is begun only under a lease that surely holds. */
function leaseHolds(run: DurableRun): boolean {
  if (run.port.holdsLease()) return true;
  const message = 'The lease may have run out between an intent and its effect; the effect was not begun';
  run.end({ kind: 'lost', error: new OpspawnError('lease_lost', message) });
  return false;
}
