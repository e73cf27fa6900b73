import { isDeepStrictEqual } from 'node:util';
import { type Json, jsonSchemaIssues, OpspawnError } from '@opspawn/agentkit';
import { deciderOf, type Principal } from '../auth/principal.ts';
import { newId } from '../domain/new-id.ts';
import type { StoredDecision } from '../storage/parts/decisions.ts';
import type { InboxItem, Store, StoredWait, TaskRow } from '../storage/store.ts';
import { type JournaledRequest, journaledRequest } from './journaled-request.ts';

export interface SaidOfRequest {
  /** Of the wait, or of one that is decided: its label or its hash. */
  step: string;
  isWanted: (kind: StoredWait['kind']) => boolean;
  answer: object;
}

/** The value without the secrets that this process knows. */
export type Redact = (value: Json) => Json;

/**
 * Brings a person's word to the request that waits for it. The first word counts: the same again by the same person changes
 * nothing, another one is `already_decided`. Throws `not_found` when there was no such request, `wrong_state` for one that
 * expired or was withdrawn, `unavailable` while the task is on its way and does not listen, `invalid_argument` for an answer
 * that does not fit the question's schema.
 */
export async function decideRequest(
  { store, redact }: { store: Store; redact: Redact },
  principal: Principal,
  row: TaskRow,
  { step, isWanted, answer }: SaidOfRequest,
): Promise<void> {
  const { namespace } = principal;
  const said = JSON.stringify({ ...withoutSecrets(answer, redact), by: deciderOf(principal) });
  const wait = row.waits.find(({ kind, ...each }) => isWanted(kind) && [each.step, each.hash].includes(step));
  if (wait !== undefined && 'answer' in answer) await checkAnswer(wait, answer.answer as Json);
  if (wait?.key !== undefined) {
    const item: InboxItem = { id: newId(), kind: 'decision', key: wait.key, data: said };
    if ((await store.write({ op: 'post', namespace, taskId: row.id, item })).ok) return;
  }
  const request = await journaledRequest(store, row.id, step);
  const earlier = request === undefined ? undefined : await store.lastDecision(row.id, request.key);
  if (earlier === undefined) {
    const isKnown = request?.kind !== undefined && isWanted(request.kind);
    throw isKnown ? notListening(row, step, request) : noSuchRequest(row.id, step);
  }
  // the earlier one may have come when less was known to be secret
  const asSaid = (data: string): Json => redact(JSON.parse(data) as Json);
  if (!isDeepStrictEqual(asSaid(earlier.data ?? 'null'), asSaid(said)))
    throw alreadyDecided(row.id, step, earlier);
}

/** What a person says beside the decision. The answer itself belongs to the code that asked, which knows what may be kept of it. */
function withoutSecrets(answer: object, redact: Redact): object {
  const said = Object.entries(answer).map(([key, value]: [string, Json]) => {
    return [key, key === 'comment' || key === 'message' ? redact(value) : value];
  });
  return Object.fromEntries(said);
}

/** Throws `invalid_argument`, naming all that does not fit what the question asks for. */
async function checkAnswer({ step, data }: Pick<StoredWait, 'step' | 'data'>, answer: Json): Promise<void> {
  const { schema } = JSON.parse(data ?? '{}') as { schema?: Json };
  const problems = schema === undefined ? [] : await jsonSchemaIssues(schema, answer);
  if (problems.length === 0) return;
  const said = problems.map(({ pointer, message }) => `/answer${pointer}: ${message}`);
  throw new OpspawnError('invalid_argument', `The answer to ${step} does not fit: ${said.join('; ')}`, {
    details: { path: `/answer${problems[0]?.pointer}` },
  });
}

const noSuchRequest = (taskId: string, step: string): OpspawnError =>
  new OpspawnError('not_found', `Task ${taskId} has no such request open for the step "${step}"`, {
    details: { taskId, step },
  });

/** Why a request that nobody decided takes no decision. */
function notListening(
  { id, status }: TaskRow,
  step: string,
  { dueAt, ended }: JournaledRequest,
): OpspawnError {
  const what = `The request "${step}" of task ${id}`;
  const details = { taskId: id, step };
  const isOver = ended !== undefined || isFinal(status);
  if (dueAt !== undefined && (isOver ? ended?.byTime === true : dueAt <= Date.now())) {
    const expiredAt = new Date(dueAt).toISOString();
    return new OpspawnError('wrong_state', `${what} expired at ${expiredAt}`, {
      details: { ...details, expiredAt },
    });
  }
  if (isOver)
    return new OpspawnError('wrong_state', `${what} was withdrawn: nobody waits for it`, { details });
  // Its attempt, or the one that comes next, opens the wait again.
  const why = 'the task does something else: decide when it waits again';
  return new OpspawnError('unavailable', `${what} is open, but ${why}`, { details });
}

const isFinal = (status: TaskRow['status']): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

function alreadyDecided(taskId: string, step: string, { at, data = '{}' }: StoredDecision): OpspawnError {
  const { by, ...decision } = JSON.parse(data);
  const decidedAt = new Date(at).toISOString();
  return new OpspawnError(
    'already_decided',
    `The request "${step}" of task ${taskId} was decided by ${by} at ${decidedAt}`,
    { details: { taskId, step, decidedBy: by, decidedAt, decision } },
  );
}
