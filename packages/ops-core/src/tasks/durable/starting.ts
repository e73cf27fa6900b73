/** How what a function asked for begins, once all that is recorded has been handed out. */
import { randomUUIDv7 } from 'node:crypto';
import { CancelledError, encodeJson, recordError } from '@opspawn/agentkit';
import type { Effects } from '../../storage/store.ts';
import { settleDoubt } from './doubt.ts';
import type { DurableRun } from './durable-run.ts';
import { failedFinally } from './ending.ts';
import { executeStep, intendStep, recordFailure } from './executing.ts';
import { identityLabel } from './identity.ts';
import type { Request } from './request.ts';
import { ioOutsideStep } from './run-errors.ts';
import { openChild, openWait } from './waiting.ts';

/** Starts all that was asked for since the last time, in the order in which it was. */
export function startFresh(run: DurableRun): void {
  const { fresh } = run;
  run.fresh = [];
  for (const request of fresh) {
    if (request.isDiscarded || run.isOver) continue;
    if (request.isOutOfTurn) blame(run, request);
    if (run.isOver) continue;
    if (mayStart(run, request)) start(run, request);
    else run.fresh.push(request);
  }
  if (run.fresh.length > 0) run.writer.flush();
}

/**
 * What changes something outside is not begun on the word of a result that may get lost. Intents, waits and children are
 * entries themselves, and are committed behind it.
 */
function mayStart({ writer }: DurableRun, { work, isOnce, isRead }: Request): boolean {
  return work.type !== 'step' || isOnce || isRead || writer.isCaughtUp;
}

function start(run: DurableRun, request: Request): void {
  const { work } = request;
  try {
    if (work.type === 'wait') openWait(run, request, work.request);
    else if (work.type === 'child') openChild(run, request, work);
    else if (!request.isOnce) executeStep(run, request, work);
    else if (request.recorded?.intent === undefined) intendStep(run, request, work, settleDoubt);
    else settleDoubt(run, request, work);
  } catch (thrown) {
    // What is shown of an intent or a wait was no JSON: the call fails, as it would on every replay.
    run.running.delete(request);
    run.waits.remove(request);
    recordFailure(run, request, recordError(thrown), { startedAt: run.port.now(), thrown });
  }
}

/** Tells, once in an attempt, or ends the run: the author should know before it goes wrong in production. */
function blame(run: DurableRun, request: Request): void {
  const error = ioOutsideStep(identityLabel(request.identity));
  if (run.options.outOfTurn === 'fail') run.end(failedFinally(error));
  else if (!run.hasBlamed) run.writer.addLog({ step: request }, 'warn', error.message, { code: error.code });
  run.hasBlamed = true;
}

/** Ends children whose branch lost: their failure is recorded, and in the same transaction they are told. */
export function withdrawChildren(run: DurableRun): void {
  for (const [request, childTaskId] of run.withdrawn) {
    const error = new CancelledError('another branch was decisive');
    const effects = { posts: [cancelOf(childTaskId, error.message)] };
    recordFailure(run, request, recordError(error), { startedAt: run.port.now(), effects });
  }
  run.withdrawn.clear();
}

/** The effect of cancelling a child. */
export const cancelOf = (taskId: string, reason: string): NonNullable<Effects['posts']>[number] => ({
  taskId,
  item: { id: randomUUIDv7(), kind: 'cancel', key: '', data: encodeJson({ reason }) as string },
});
