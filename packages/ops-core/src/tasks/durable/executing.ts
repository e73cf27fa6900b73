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

/** Commits the intent of a step with effect `once`, and then runs it. */
export function intendStep(run: DurableRun, request: Request, work: StepWork): void {
  run.running.add(request);
  const data = stepIntendedText(request.kind, work.options.intent);
  run.writer.add('step.intended', request, data, undefined, () => executeStep(run, request, work));
}

/** Runs a step now. One that nobody waits for any more, and that has not begun, is recorded as cancelled instead. */
export function executeStep(run: DurableRun, request: Request, work: StepWork): void {
  const startedAt = run.port.now();
  if (request.isDiscarded) {
    run.running.delete(request);
    const error = new CancelledError('nobody waits for it any more; it was not begun');
    recordFailure(run, request, recordError(error), { startedAt });
    return;
  }
  runCode(run, request, work, work.fn, (end) => {
    if (request.isOnce) run.evidence.hold(request, end);
    if (run.isOver) return;
    run.running.delete(request);
    const { tries } = end;
    if (end.ok) recordResult(run, request, end.text, { startedAt, tries });
    else recordFailure(run, request, end.error, { startedAt, tries, thrown: end.thrown });
  });
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
      retrying: (step, reason) => run.emit({ type: 'step.reset', step, reason }),
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
