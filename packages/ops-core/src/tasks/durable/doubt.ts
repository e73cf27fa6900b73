/**
 * Effects in doubt: the intent of a step with effect `once` is recorded and its result is not, after a crash or because
 * its time ran out. The step's probe, its policy or a person decides, and the decision is recorded before anything is
 * done.
 */
import { encodeJson, type Json, OpspawnError, type Reconciliation, recordError } from '@opspawn/agentkit';
import type { Effects, EntryRow, InboxRow } from '../../storage/store.ts';
import type { DurableRun } from './durable-run.ts';
import { type DoubtResolved, parseData, stepIntendedSchema } from './entry-data.ts';
import { executeStep, recordFailure, recordResult, runCode } from './executing.ts';
import { identityLabel } from './identity.ts';
import type { Request, StepWork, Work } from './request.ts';
import type { StepEnd } from './step-execution.ts';

export function settleDoubt(run: DurableRun, request: Request, work: StepWork): void {
  const { reconcile } = work.options;
  if (reconcile === undefined || request.recorded?.isDoubtOpen === true) {
    decideWithoutProbe(run, request, work);
    return;
  }
  runCode(run, request, work, reconcile, (end) => {
    if (run.isOver) return;
    run.running.delete(request);
    run.bell.ring();
    if (request.isDiscarded) return;
    const found = findingOf(end);
    if (found.outcome === 'done')
      resolve(run, request, work, { action: 'result', by: 'probe', result: found.result });
    else if (found.outcome === 'not_done') resolve(run, request, work, { action: 'retry', by: 'probe' });
    else decideWithoutProbe(run, request, work);
  });
}

/** What a probe found. One that failed does not know. */
function findingOf(end: StepEnd): Reconciliation<Json | undefined> {
  if (!end.ok || end.text === undefined) return { outcome: 'unknown' };
  return JSON.parse(end.text) as Reconciliation<Json | undefined>;
}

function decideWithoutProbe(run: DurableRun, request: Request, work: StepWork): void {
  const { onUnknown = 'ask' } = work.options;
  if (onUnknown === 'ask') askPerson(run, request);
  else resolve(run, request, work, { action: onUnknown, by: 'policy' });
}

/** Opens the wait for a person's word. Asked once, however often the task wakes up meanwhile. */
function askPerson(run: DurableRun, request: Request): void {
  const key = `decision:${request.hash}`;
  run.waits.add({ request, kind: 'doubt', key, startedAt: run.port.now(), data: doubtText(request) });
  if (request.recorded?.isDoubtOpen !== true) {
    run.writer.add('wait.opened', request, JSON.stringify({ kind: 'doubt', key }));
    run.writer.flush();
  }
  run.bell.ring();
}

/** What a person sees of an effect in doubt: what was intended, and what superseded attempts reported of it. */
function doubtText({ recorded, work }: Request): string {
  const intent = recorded?.intent === undefined ? intentNow(work) : intentThen(recorded.intent);
  const evidence = recorded?.evidence ?? [];
  return JSON.stringify({ intent, ...(evidence.length === 0 ? {} : { evidence }) });
}

const intentNow = (work: Work): Json | undefined => (work.type === 'step' ? work.options.intent : undefined);
const intentThen = ({ data }: EntryRow): Json | undefined => parseData(stepIntendedSchema, data).intent;

/** Takes a person's word. */
export function takeResolution(
  run: DurableRun,
  request: Request,
  resolution: DoubtResolved,
  effects: Effects,
): void {
  if (request.work.type === 'step') resolve(run, request, request.work, resolution, effects);
}

/** Journals what a superseded attempt reported. It decides nothing: it is shown to whoever decides. */
export function takeEvidence(run: DurableRun, request: Request, row: InboxRow): void {
  const evidence = row.data === undefined ? null : (JSON.parse(row.data) as Json);
  request.recorded?.evidence.push(evidence);
  run.writer.add('doubt.evidence', request, JSON.stringify({ evidence }), run.inbox.take([row]));
  const wait = run.waits.remove(request);
  if (wait !== undefined) run.waits.add({ ...wait, data: doubtText(request) });
  run.writer.flush();
}

/** Records the decision, and with it or after it what it says. */
function resolve(
  run: DurableRun,
  request: Request,
  work: StepWork,
  resolution: DoubtResolved,
  effects?: Effects,
): void {
  const data = encodeJson(resolution);
  const startedAt = run.port.now();
  if (request.recorded !== undefined) request.recorded.isDoubtOpen = false;
  if (resolution.action === 'retry') {
    run.running.add(request);
    run.writer.add('doubt.resolved', request, data, effects, () => {
      executeStep(run, request, work, settleDoubt);
    });
    run.writer.flush();
    return;
  }
  run.writer.add('doubt.resolved', request, data, effects);
  if (resolution.action === 'result') {
    recordResult(run, request, encodeJson(resolution.result), { startedAt });
    return;
  }
  const message = resolution.message ?? `"${identityLabel(request.identity)}" may or may not have been done`;
  recordFailure(run, request, recordError(new OpspawnError('effect_in_doubt', message)), { startedAt });
}
