/** One turn of a replay: nothing unrecorded starts, and nothing is handed out before all it takes is asked for again. */
import type { DurableRun } from './durable-run.ts';
import { type Ending, pausedByOperator } from './ending.ts';
import { missingCall, type RecordedCall, type Recording, resultOf } from './recording.ts';
import { maxTimerMs } from './step-execution.ts';
import { missedCall } from './verdicts.ts';

const defaultGraceMs = 1_000;

export async function replayTurn(run: DurableRun): Promise<Ending | undefined> {
  const { recording } = run;
  if (recording === undefined) return undefined;
  if (run.pauseRequest() !== undefined) return pausedByOperator;
  const missing = missingCall(recording, run.queue.handedOut, run.queue.peek());
  if (missing !== undefined) return await awaitMissing(run, recording, missing);
  if (run.handOutNext()) {
    await run.drain();
    return undefined;
  }
  supersedeOpenings(run, recording);
  run.goLive();
  return undefined;
}

/** A function may do I/O of its own between two calls, so that the next one is late. It is given a grace. */
async function awaitMissing(
  run: DurableRun,
  recording: Recording,
  missing: RecordedCall,
): Promise<Ending | undefined> {
  let isLate = false;
  const timer = setTimeout(
    () => {
      isLate = true;
      run.bell.ring();
    },
    Math.min(graceMs(run, missing), maxTimerMs),
  );
  while (!missing.isAskedAgain && run.settled === undefined && run.ending === undefined && !isLate) {
    await run.idle();
  }
  clearTimeout(timer);
  if (run.ending !== undefined) return run.ending;
  if (missing.isAskedAgain) {
    await run.drain();
    return undefined;
  }
  const { result } = missing;
  if (missing.asked === undefined && result !== undefined && recording.isLoose(result.entry)) {
    run.queue.drop();
    supersede(run, missing, result.entry.seq);
    delete missing.result;
    return undefined;
  }
  return missedCall(missing, whatItDid(run));
}

/** At least twice the time that it took when it was recorded. */
function graceMs(run: DurableRun, { result, first }: RecordedCall): number {
  const askedAt = result?.entry === first ? resultOf(result).startedAt : first.at;
  return Math.max(run.options.graceMs ?? defaultGraceMs, 2 * (askedAt - run.time));
}

function whatItDid({ settled, fresh }: DurableRun) {
  if (settled?.ok === true) return 'returns';
  if (settled !== undefined) return `throws ${String(settled.thrown)}`;
  return fresh.at(-1) ?? 'asks for nothing';
}

/**
 * After a reopening, waits that are not asked for again count no more. Intents stay: should their step be asked for
 * again, its effect is in doubt.
 */
function supersedeOpenings(run: DurableRun, recording: Recording): void {
  for (const call of recording.calls.values()) {
    const { opening } = call;
    if (opening === undefined || call.isAskedAgain || !recording.isLoose(opening)) continue;
    supersede(run, call, opening.seq);
    delete call.opening;
  }
}

function supersede(run: DurableRun, { identity }: RecordedCall, ref: number): void {
  const owner = { identity, asked: run.queue.handedOut };
  run.writer.add('step.superseded', owner, JSON.stringify({ ref }));
  run.writer.flush();
}
