/**
 * The barrier for what comes from outside: an inbox item or a due time enters the journal only when all earlier
 * entries are handed out and none is being committed, one at a time, and only for a wait that is open then.
 */
import { type Json, recordError, TimeoutError } from '@opspawn/agentkit';
import type { InboxRow } from '../../storage/store.ts';
import { takeEvidence, takeResolution } from './doubt.ts';
import type { DurableRun } from './durable-run.ts';
import { recordFailure, recordResult } from './executing.ts';
import { identityLabel } from './identity.ts';
import { type Answer, cancelReasonOf, readAnswer } from './inbox-item.ts';
import type { OpenWait } from './open-waits.ts';
import type { Request } from './request.ts';
import { cancelOf } from './starting.ts';

/** Moves the next thing from outside into the journal. Whether there was one. */
export function takeNext(run: DurableRun): boolean {
  const rows = run.inbox.rows();
  if (rows.length > 0 && (takeCancel(run, rows) || takeControl(run, rows) || takeReports(run, rows)))
    return true;
  const end = run.waits.nextEnd(rows, run.port.now());
  if (end === undefined) return false;
  if (end.row === undefined) endByTime(run, end.wait);
  else endByItem(run, end.wait, end.row);
  return true;
}

/** Journals the request to cancel and tells the children. A second one changes nothing. */
function takeCancel(run: DurableRun, rows: readonly InboxRow[]): boolean {
  const cancels = rows.filter((row) => row.kind === 'cancel');
  const [first] = cancels;
  if (first === undefined) return false;
  const reason = cancelReasonOf(first);
  const takes = run.inbox.take(cancels);
  if (run.cancelReason !== undefined) {
    run.writer.addLog({ branch: '' }, 'info', `Cancelled again: ${reason}`, undefined, takes);
  } else {
    run.isCancelPending = true;
    const posts = [...run.waits].flatMap(({ childTaskId }) =>
      childTaskId === undefined ? [] : [cancelOf(childTaskId, 'the parent was cancelled')],
    );
    run.writer.add(
      'cancel.requested',
      undefined,
      JSON.stringify({ reason }),
      { ...takes, posts },
      (entry, at) => run.enqueue({ key: undefined, entry, at }),
    );
  }
  run.writer.flush();
  return true;
}

/** What told the task to go on, and a pause that was taken back. */
export function takeControl(run: DurableRun, rows: readonly InboxRow[]): boolean {
  const control = rows.filter(({ kind }) => kind === 'resume' || kind === 'reopen' || kind === 'pause');
  if (control.length === 0) return false;
  run.writer.add('task.resumed', undefined, undefined, run.inbox.take(control));
  run.writer.flush();
  return true;
}

/** What superseded attempts report about effects that are in doubt here. */
function takeReports(run: DurableRun, rows: readonly InboxRow[]): boolean {
  const reports = rows.filter((row) => row.kind === 'evidence');
  if (reports.length === 0) return false;
  for (const { kind, request } of run.waits) {
    const row = reports.find(({ key }) => kind === 'doubt' && key === `evidence:${request.hash}`);
    if (row === undefined) continue;
    takeEvidence(run, request, row);
    return true;
  }
  return false;
}

function endByTime(run: DurableRun, wait: OpenWait): void {
  const { request, kind, startedAt } = wait;
  run.waits.remove(request);
  if (kind === 'sleep') {
    recordResult(run, request, undefined, { startedAt });
    return;
  }
  const error = new TimeoutError(identityLabel(request.identity));
  recordFailure(run, request, recordError(error), { startedAt });
}

/** Ends a wait by what was sent for it. What cannot be read is taken and logged, and the wait stays open. */
function endByItem(run: DurableRun, wait: OpenWait, row: InboxRow): void {
  const { request, kind, startedAt } = wait;
  const answer = cleaned(request, readAnswer(kind, row));
  if (answer === undefined) {
    const message = `An answer to ${kind} "${identityLabel(request.identity)}" cannot be read`;
    run.writer.addLog({ step: request }, 'warn', message, undefined, run.inbox.take([row]));
    run.writer.flush();
    return;
  }
  run.waits.remove(request);
  const effects = run.inbox.take(kind === 'signal' ? [row] : repeated(run, row));
  if (answer.type === 'resolution') takeResolution(run, request, answer.resolution, effects);
  else if (answer.type === 'failure') recordFailure(run, request, answer.error, { startedAt, effects });
  else recordResult(run, request, answer.text, { startedAt, effects, ...(answer.by && { by: answer.by }) });
}

/** Without what the request says must not be recorded. */
function cleaned({ work }: Request, answer: Answer | undefined): Answer | undefined {
  const redact = work.type === 'wait' && 'redact' in work.request ? work.request.redact : undefined;
  if (redact === undefined || answer === undefined) return answer;
  if (answer.type === 'failure') {
    const { message } = answer.error;
    return { ...answer, error: { ...answer.error, message: redact(message) } };
  }
  if (answer.type !== 'result' || answer.text === undefined) return answer;
  return { ...answer, text: JSON.stringify(redact(JSON.parse(answer.text) as Json)) };
}

/** The same was said twice: said once more later, it must not answer a doubt that arises anew. */
const repeated = (run: DurableRun, { key }: InboxRow): InboxRow[] =>
  run.inbox.rows().filter((row) => row.key === key);
