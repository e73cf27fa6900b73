import type { NewEntry } from '../../storage/store.ts';
import type { DurableRun } from './durable-run.ts';
import type { Ending } from './ending.ts';
import { errorText } from './entry-data.ts';
import { cancelReasonOf } from './inbox-item.ts';
import type { DurableOutcome } from './port.ts';

/** Stops writing and says how the attempt ended. A task that is to be cancelled is not paused. */
export async function outcomeOf(run: DurableRun, ending: Ending): Promise<DurableOutcome> {
  if (ending.kind === 'suspended' || ending.kind === 'lost' || ending.kind === 'stopped') return ending;
  if (ending.kind === 'completed') {
    const rest = run.writer.takeRest();
    const nextSeq = run.writer.lastSeq + 1 + rest.length;
    return { ...ending, rest, nextSeq, asked: run.queue.handedOut };
  }
  await run.writer.stop();
  const nextSeq = run.writer.lastSeq + 1;
  switch (ending.kind) {
    case 'failed':
      return { ...ending, nextSeq };
    case 'cancelled':
      return { ...ending, nextSeq, takes: controlItems(run) };
    case 'paused': {
      const takes = controlItems(run);
      const reason = cancelReasonNow(run);
      if (reason === undefined) return { ...ending, nextSeq, takes };
      return { kind: 'cancelled', reason, nextSeq, takes };
    }
  }
}

function cancelReasonNow({ cancelReason, inbox }: DurableRun): string | undefined {
  if (cancelReason !== undefined) return cancelReason;
  const item = inbox.rows().find((row) => row.kind === 'cancel');
  return item === undefined ? undefined : cancelReasonOf(item);
}

const controlItems = (run: DurableRun): string[] =>
  run.inbox.rows().flatMap((row) => (row.key === '' ? [row.id] : []));

type Written = Extract<DurableOutcome, { kind: 'completed' | 'failed' | 'cancelled' | 'paused' }>;

/** With what the worker ends or pauses the task: the last entry says how. */
export const outcomeEntries = (outcome: Written): NewEntry[] =>
  outcome.kind === 'completed' ? [...outcome.rest, outcomeEntry(outcome)] : [outcomeEntry(outcome)];

function outcomeEntry(outcome: Written): NewEntry {
  const { nextSeq: seq } = outcome;
  switch (outcome.kind) {
    case 'completed': {
      const data = outcome.value === undefined ? '{}' : `{"output":${outcome.value}}`;
      return { seq, type: 'task.completed', asked: outcome.asked, data };
    }
    case 'failed': {
      const step = outcome.failedStep === undefined ? '' : `,"failedStep":${outcome.failedStep}`;
      return { seq, type: 'task.failed', data: `{"error":${errorText(outcome.error)}${step}}` };
    }
    case 'cancelled':
      return { seq, type: 'task.cancelled', data: JSON.stringify({ reason: outcome.reason }) };
    case 'paused': {
      const { reason, details } = outcome;
      return { seq, type: 'task.paused', data: JSON.stringify({ reason, details }) };
    }
  }
}
