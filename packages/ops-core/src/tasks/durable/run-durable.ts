import { type Steps, toOpspawnError } from '@opspawn/agentkit';
import type { InboxRow } from '../../storage/store.ts';
import { ambient } from './ambient.ts';
import { DurableRun } from './durable-run.ts';
import { DurableSteps } from './durable-steps.ts';
import { type Ending, refusedWrite } from './ending.ts';
import { cancelReasonOf } from './inbox-item.ts';
import { takeControl } from './intake.ts';
import { outcomeOf } from './outcome.ts';
import type { DurableOptions, DurableOutcome, Journal, TaskPort } from './port.ts';
import { pump } from './pump.ts';
import { reopenFailures } from './reopening.ts';
import { settledEnding } from './settled-ending.ts';

/** An agent, a function or a workflow, its input bound. */
export type DurableBody = (steps: Steps) => unknown;

/**
 * Runs one attempt of a durable function: what the journal holds is handed out again, the rest is done and recorded.
 * Never rejects for what the function does. When the attempt is over its steps are dead: calls never settle, nothing
 * is written, and a function that was suspended is dropped without a `catch` or `finally` of its own being run.
 */
export async function runDurable(
  port: TaskPort,
  journal: Journal,
  body: DurableBody,
  options: DurableOptions,
): Promise<DurableOutcome> {
  if (port.isStopped) return stopped(port);
  const inbox = port.inbox();
  const cancel = journal.length === 0 ? inbox.find((row) => row.kind === 'cancel') : undefined;
  if (cancel !== undefined) return cancelledBeforeStart(port, cancel);
  const reopen = inbox.find((row) => row.kind === 'reopen');
  let recorded = journal;
  try {
    if (reopen !== undefined) recorded = await reopenFailures(port, journal, reopen);
  } catch (thrown) {
    return await outcomeOf(new DurableRun(port, journal, options), refusedWrite(thrown));
  }
  return await attempt(new DurableRun(port, recorded, options), body);
}

async function attempt(run: DurableRun, body: DurableBody): Promise<DurableOutcome> {
  try {
    if (run.cancelReason !== undefined)
      return await outcomeOf(run, { kind: 'cancelled', reason: run.cancelReason });
    if (run.pauseRequest() === undefined) takeControl(run, run.inbox.rows());
    startBody(run, body);
    await settlesAtOnce(run);
    if (askedForNothing(run)) return await outcomeOf(run, settledEnding(run) as Ending);
    return await outcomeOf(run, await untilEnd(run));
  } finally {
    run.dispose();
  }
}

/** Until nothing is left to do in this attempt. */
async function untilEnd(run: DurableRun): Promise<Ending> {
  const { signal } = run.port;
  const onAbort = (): void => {
    // What is done is kept, for the attempt that goes on.
    run.writer.flush();
    run.end(stopped(run.port));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    run.port.onInbox(() => run.bell.ring());
    return await pump(run);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function startBody(run: DurableRun, body: DurableBody): void {
  ambient.run({ run, branch: run.root, step: undefined }, () => {
    let returned: unknown;
    try {
      returned = body(new DurableSteps(run));
    } catch (thrown) {
      run.settle({ ok: false, thrown });
      return;
    }
    Promise.resolve(returned).then(
      (value) => run.settle({ ok: true, value }),
      (thrown: unknown) => run.settle({ ok: false, thrown }),
    );
  });
}

/** A function that asks for nothing has settled after a few microtasks, and needs no turn of the event loop. */
async function settlesAtOnce(run: DurableRun): Promise<void> {
  for (let i = 0; i < 3 && run.settled === undefined; i += 1) await Promise.resolve();
}

const askedForNothing = (run: DurableRun): boolean =>
  run.settled !== undefined && run.isLive && run.lastAsked === undefined && run.writer.isQuiet && !run.isOver;

function stopped({ signal }: TaskPort): Extract<Ending, { kind: 'lost' | 'stopped' }> {
  const error = toOpspawnError(signal.reason);
  return { kind: error.code === 'lease_lost' ? 'lost' : 'stopped', error };
}

/** Nothing is recorded, so that there is nothing to clean up. */
function cancelledBeforeStart(port: TaskPort, cancel: InboxRow): DurableOutcome {
  const takes = port.inbox().flatMap((row) => (row.key === '' ? [row.id] : []));
  return { kind: 'cancelled', reason: cancelReasonOf(cancel), nextSeq: port.lastSeq + 1, takes };
}
