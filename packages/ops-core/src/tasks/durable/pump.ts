/**
 * The pump, one for live and replay: it hands out one committed result, in journal order, lets everything run that
 * this sets off, and only then looks at what comes next.
 */
import { CancelledError } from '@opspawn/agentkit';
import type { DurableRun } from './durable-run.ts';
import { type Ending, pausedByOperator, refusedWrite } from './ending.ts';
import { takeNext } from './intake.ts';
import { replayTurn } from './replaying.ts';
import { settledEnding } from './settled-ending.ts';
import { startFresh, withdrawChildren } from './starting.ts';
import { maxTimerMs } from './step-execution.ts';
import { noProgress } from './verdicts.ts';

const defaultLingerMs = 1_000;
const defaultStuckMs = 60_000;

/** Runs until the attempt ends. */
export async function pump(run: DurableRun): Promise<Ending> {
  await run.drain();
  for (;;) {
    if (run.ending !== undefined) return run.ending;
    const ending = run.isLive ? await liveTurn(run) : await replayTurn(run);
    if (ending !== undefined) return ending;
  }
}

async function liveTurn(run: DurableRun): Promise<Ending | undefined> {
  if (run.handOutNext()) {
    await run.drain();
    return undefined;
  }
  withdrawChildren(run);
  if (run.settled !== undefined) return await finish(run);
  const pause = run.pauseRequest();
  if (pause === undefined && !run.isCancelPending) startFresh(run);
  // What follows from it is asked first: a request to a model is on its way while the disk works.
  if (run.queue.peek() !== undefined) return undefined;
  if (mayLetWait(run)) run.writer.flushUrgent();
  else run.writer.flush();
  if (run.writer.isQuiet) {
    if (pause === undefined && takeNext(run)) return undefined;
    if (run.running.size === 0) {
      if (pause !== undefined) return pausedByOperator;
      return run.waits.size > 0 ? await suspend(run) : await watchProgress(run);
    }
  }
  await run.idle(untilNextDue(run));
  return undefined;
}

/** Results that were handed out ahead are committed together, unless something stands still until they are. */
const mayLetWait = (run: DurableRun): boolean => run.running.size > 0 && run.inbox.rows().length === 0;

/** A task does not end while a step is in flight. */
async function finish(run: DurableRun): Promise<Ending | undefined> {
  run.abortRunning(new CancelledError('the function has ended'));
  if (run.running.size === 0 && run.writer.mayEnd) {
    const ending = settledEnding(run);
    if (ending?.kind === 'completed') return ending;
  }
  run.writer.flush();
  if (run.running.size === 0 && run.writer.isQuiet) return settledEnding(run);
  await run.idle();
  return undefined;
}

/**
 * Suspends when one macrotask has brought nothing new. A wait that is due soon is waited for in memory: a loop of
 * short waits would otherwise replay itself again and again. Not while a person is asked, who is heard only when the
 * store knows of the wait.
 */
async function suspend(run: DurableRun): Promise<Ending | undefined> {
  const { rings } = run.bell;
  await new Promise<void>((resolve) => setImmediate(resolve));
  if (run.bell.rings !== rings) return undefined;
  const dueInMs = untilNextDue(run);
  const lingerMs = run.waits.askSomebody ? 0 : (run.options.lingerMs ?? defaultLingerMs);
  if (dueInMs !== undefined && dueInMs <= lingerMs) {
    await run.idle(dueInMs);
    return undefined;
  }
  try {
    return (await run.port.suspend(run.waits.stored())) ? { kind: 'suspended' } : undefined;
  } catch (thrown) {
    return refusedWrite(thrown);
  }
}

async function watchProgress(run: DurableRun): Promise<Ending | undefined> {
  const { stuckMs = defaultStuckMs } = run.options;
  return (await run.idle(stuckMs)) ? undefined : noProgress(run.lastAsked, stuckMs);
}

function untilNextDue(run: DurableRun): number | undefined {
  const dueAt = run.waits.nextDue();
  return dueAt === undefined ? undefined : Math.min(maxTimerMs, Math.max(0, dueAt - run.port.now()));
}
