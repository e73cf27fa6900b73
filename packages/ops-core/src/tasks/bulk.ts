/** One action on all tasks that match a filter: counted first, then done batch by batch. */
import { hash } from 'node:crypto';
import { canonicalJson, type Json, OpspawnError } from '@opspawn/agentkit';
import { type TaskStatus, taskIdSchema } from '@opspawn/sdk';
import { z } from 'zod';
import type { Principal } from '../auth/principal.ts';
import { newId } from '../domain/new-id.ts';
import type { InboxItem, Store, TaskFilter, TaskPage } from '../storage/store.ts';
import type { BulkAction, BulkRequest, BulkResult } from './engine-interface.ts';

/** What an action can be done to. Sessions are freed from their end, and lined up again from their start. */
const actions: Readonly<Record<BulkAction, { statuses: readonly TaskStatus[]; oldestFirst: boolean }>> = {
  cancel: { statuses: ['pending', 'running', 'waiting', 'paused'], oldestFirst: false },
  pause: { statuses: ['pending', 'running', 'waiting'], oldestFirst: false },
  resume: { statuses: ['paused'], oldestFirst: true },
  retry: { statuses: ['failed'], oldestFirst: true },
};

/** What a count allows, and how far it was used. A caller who makes one up takes the guard off for itself alone. */
const tokenSchema = z.object({
  /** Names the items that are posted: the same call made again posts the same ones. */
  id: taskIdSchema,
  action: z.enum(Object.keys(actions) as [BulkAction, ...BulkAction[]]),
  filter: z.string(),
  matched: z.int().min(0),
  /** Unix ms: later tasks were not counted. */
  createdBefore: z.int(),
  done: z.int().min(0),
  skipped: z.int().min(0),
  /** The task that was acted on last. */
  last: taskIdSchema.optional(),
});
type Token = z.infer<typeof tokenSchema>;

const countPage = 5_000;
/** Tasks of one transaction. */
const batchSize = 500;
/** One call does no more, and asks to be made again. */
const batchesPerCall = 4;
/** Nor does it begin another batch after that time. */
const callMs = 5_000;

interface Bulk {
  readonly store: Store;
  readonly principal: Principal;
  readonly action: BulkAction;
  readonly filter: TaskFilter;
  readonly reason: string | undefined;
}

/**
 * With `dryRun` counts what matches and gives a token; with that token acts on as many, and gives another one until
 * all is done. Acts on no task that was created after the count, and on no more tasks than were counted. What has
 * changed its state meanwhile is skipped. Made again with the same token, it posts nothing twice; in the place of
 * what matches no more it may act on what matches only since the count.
 */
export async function actOnMany(
  store: Store,
  principal: Principal,
  action: BulkAction,
  request: BulkRequest,
): Promise<BulkResult> {
  const filter = filterOf(principal, action, request.filter);
  const bulk: Bulk = { store, principal, action, filter, reason: request.reason };
  const digest = hash('sha256', canonicalJson(filter as unknown as Json), 'base64url');
  if (request.dryRun === true) return await count(bulk, digest);
  if (request.token === undefined)
    throw invalid('/token', 'Count first: send "dryRun": true, and then the token of that answer');
  return await act(bulk, readToken(request.token, action, digest));
}

/** Throws `invalid_argument` when the action can be done to nothing that the filter lets through. */
function filterOf({ namespace }: Principal, action: BulkAction, filter: BulkRequest['filter']): TaskFilter {
  const { statuses } = actions[action];
  const status = statuses.filter((each) => filter.status?.includes(each) ?? true);
  if (status.length > 0) return { ...filter, namespace, status };
  throw invalid('/filter/status', `Only tasks that are ${statuses.join(', ')} can be told to ${action}`);
}

async function count({ store, action, filter }: Bulk, digest: string): Promise<BulkResult> {
  const createdBefore = Math.min(filter.createdBefore ?? Number.POSITIVE_INFINITY, (await store.now()) + 1);
  let matched = 0;
  for (let before: string | undefined; ; ) {
    const page = { limit: countPage, ...(before === undefined ? {} : { before }) };
    const ids = await store.taskIds({ ...filter, createdBefore }, page);
    matched += ids.length;
    before = ids.at(-1);
    if (ids.length < countPage) break;
  }
  const token: Token = { id: newId(), action, filter: digest, matched, createdBefore, done: 0, skipped: 0 };
  return { matched, done: 0, skipped: 0, ...(matched === 0 ? {} : { token: writeToken(token) }) };
}

async function act(bulk: Bulk, given: Token): Promise<BulkResult> {
  const token = { ...given };
  const filter = { ...bulk.filter, createdBefore: token.createdBefore };
  const until = performance.now() + callMs;
  let isLast = false;
  for (let batch = 0; batch < batchesPerCall && !isLast && performance.now() < until; batch += 1) {
    const limit = Math.min(batchSize, token.matched - token.done - token.skipped);
    const ids = limit <= 0 ? [] : await bulk.store.taskIds(filter, pageOf(token, limit));
    // Written in the same turn, they are committed together.
    const results = await Promise.all(ids.map((taskId) => actOnOne(bulk, token.id, taskId)));
    const done = results.filter(Boolean).length;
    token.done += done;
    token.skipped += ids.length - done;
    const last = ids.at(-1);
    if (last !== undefined) token.last = last;
    isLast = ids.length < batchSize;
  }
  // What matches no more is not found any more, and would be missing in the sum.
  if (isLast) token.skipped = token.matched - token.done;
  const { matched, done, skipped } = token;
  return { matched, done, skipped, ...(isLast ? {} : { token: writeToken(token) }) };
}

function pageOf({ action, last }: Token, limit: number): TaskPage {
  const { oldestFirst } = actions[action];
  if (last === undefined) return { limit, oldestFirst };
  return { limit, oldestFirst, ...(oldestFirst ? { after: last } : { before: last }) };
}

/** Whether it was done; otherwise the task is in another state by now, or gone. */
async function actOnOne(bulk: Bulk, bulkId: string, taskId: string): Promise<boolean> {
  const { store, action, principal, reason } = bulk;
  const { namespace, name } = principal;
  const id = itemId(bulkId, taskId);
  if (action === 'retry') return (await store.write({ op: 'reopen', namespace, taskId, itemId: id })).ok;
  const said = action === 'cancel' ? { reason: reason ?? `cancelled by ${name}` } : { by: name };
  const item: InboxItem = { id, kind: action, key: '', data: JSON.stringify(said) };
  return (await store.write({ op: 'post', namespace, taskId, item })).ok;
}

/** A UUID version 8 (RFC 9562, section 5.8), always the same for this bulk and this task. */
function itemId(bulkId: string, taskId: string): string {
  const hex = hash('sha256', `${bulkId}:${taskId}`, 'hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const writeToken = (token: Token): string => Buffer.from(JSON.stringify(token)).toString('base64url');

function readToken(text: string, action: BulkAction, filter: string): Token {
  const token = tokenSchema.safeParse(parseJson(Buffer.from(text, 'base64url').toString())).data;
  if (token === undefined) throw invalid('/token', 'The token is not one that was given out');
  if (token.action !== action || token.filter !== filter)
    throw invalid('/token', 'The token is that of another action or filter: count anew');
  return token;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const invalid = (path: string, message: string): OpspawnError =>
  new OpspawnError('invalid_argument', message, { details: { path } });
