/** From a client's request to the row that is accepted. */
import { hash } from 'node:crypto';
import { canonicalJson, encodeJson, type Json, jsonSchemaIssues, OpspawnError } from '@opspawn/agentkit';
import type { CreateTask } from '@opspawn/sdk';
import type { Principal } from '../auth/principal.ts';
import { newId } from '../domain/new-id.ts';
import type { NewTask } from '../storage/store.ts';
import type { CatalogEntry, DefinitionCatalog } from './definitions/catalog.ts';
import { limitsOf } from './task-limits.ts';
import type { TaskOptions } from './task-view.ts';

export const defaultPriority = 5;

/**
 * The worker ends an attempt at its time-out, and that counts as a failure; the sweep takes it over so much later, and
 * then only because nobody else did.
 */
export const takeoverMarginMs = 5_000;
export const storedTimeoutMs = (attemptTimeoutMs: number): number => attemptTimeoutMs + takeoverMarginMs;

/**
 * Checks name and input against what workers have registered. `request` is taken to satisfy `createTaskSchema`. Throws
 * `invalid_argument` with a JSON Pointer in `details.path`.
 */
export async function newTask(
  { namespace }: Principal,
  request: CreateTask,
  { catalog, now }: { catalog: DefinitionCatalog; now: () => Promise<number> },
): Promise<NewTask> {
  const { name, kind, idempotencyKey, sessionId } = request;
  const definition = await catalog.find(namespace, name, kind);
  const input = encodeInput(request.input);
  if (definition.inputSchema !== undefined) await checkInput(namespace, request, definition, catalog);
  const attemptTimeoutMs = request.attemptTimeoutMs ?? definition.attemptTimeoutMs;
  const options = optionsText(request);
  const times = isTimed(request, definition) ? await timesOf(request, { definition, now }) : {};
  const queue = request.queue ?? definition.queue;
  const limits = limitsOf({ request, definition, queue, shared: catalog.limitKeys(namespace) });
  return {
    id: newId(),
    namespace,
    kind: definition.kind,
    name,
    queue,
    priority: request.priority ?? defaultPriority,
    ...(input === undefined ? {} : { input }),
    ...(options === undefined ? {} : { options }),
    ...times,
    ...(limits.length === 0 ? {} : { limits }),
    ...(attemptTimeoutMs === undefined ? {} : { attemptTimeoutMs: storedTimeoutMs(attemptTimeoutMs) }),
    ...(sessionId === undefined ? {} : { sessionId }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey, requestDigest: digestOf(request) }),
  };
}

const isTimed = ({ runAt, delayMs, deadlineAt, timeoutMs }: CreateTask, definition: CatalogEntry): boolean =>
  [runAt, delayMs, deadlineAt, timeoutMs, definition.timeoutMs].some((time) => time !== undefined);

/** `now`: Unix ms by the store's clock. */
async function timesOf(
  request: CreateTask,
  { definition, now }: { definition: CatalogEntry; now: () => Promise<number> },
): Promise<Pick<NewTask, 'dueAt' | 'deadlineAt' | 'timeoutMs'>> {
  const dueAt = await dueAtOf(request, now);
  const deadline = await deadlineOf(request, { definition, dueAt, now });
  return { ...(dueAt === undefined ? {} : { dueAt }), ...deadline };
}

async function dueAtOf(
  { runAt, delayMs }: CreateTask,
  now: () => Promise<number>,
): Promise<number | undefined> {
  if (delayMs === undefined) return runAt === undefined ? undefined : Date.parse(runAt);
  if (runAt !== undefined)
    throw new OpspawnError('invalid_argument', 'runAt and delayMs exclude each other', {
      details: { path: '/delayMs' },
    });
  return (await now()) + delayMs;
}

/** The task's own word goes before its definition's. What would fail before it may start is refused. */
async function deadlineOf(
  { deadlineAt, timeoutMs, delayMs }: CreateTask,
  {
    definition,
    dueAt,
    now,
  }: { definition: CatalogEntry; dueAt: number | undefined; now: () => Promise<number> },
): Promise<Pick<NewTask, 'deadlineAt' | 'timeoutMs'>> {
  if (deadlineAt === undefined) {
    const ms = timeoutMs ?? definition.timeoutMs;
    if (ms === undefined) return {};
    if (dueAt !== undefined && (delayMs ?? dueAt - (await now())) >= ms) throw neverStarts('/timeoutMs');
    return { timeoutMs: ms };
  }
  if (timeoutMs !== undefined)
    throw new OpspawnError('invalid_argument', 'deadlineAt and timeoutMs exclude each other', {
      details: { path: '/timeoutMs' },
    });
  const at = Date.parse(deadlineAt);
  if (at <= (dueAt ?? (await now()))) throw neverStarts('/deadlineAt');
  return { deadlineAt: at };
}

const neverStarts = (path: string): OpspawnError =>
  new OpspawnError('invalid_argument', `${path}: the task would fail before it may start`, {
    details: { path },
  });

function encodeInput(input: Json | undefined): string | undefined {
  try {
    return encodeJson(input, 'input');
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new OpspawnError('invalid_argument', message, { cause, details: { path: '/input' } });
  }
}

/** A worker may have registered a newer version since the catalog was read: no is said by the newest. */
async function checkInput(
  namespace: string,
  { name, input }: CreateTask,
  definition: CatalogEntry,
  catalog: DefinitionCatalog,
): Promise<void> {
  const error = await inputError(definition, input);
  if (error === undefined) return;
  await catalog.refresh(namespace);
  const newest = await catalog.find(namespace, name, definition.kind);
  const again = newest === definition ? error : await inputError(newest, input);
  if (again !== undefined) throw again;
}

async function inputError(
  { kind, name, inputSchema }: CatalogEntry,
  input: Json | undefined,
): Promise<OpspawnError | undefined> {
  if (inputSchema === undefined) return undefined;
  // What JSON has no word for: a schema that lets `null` pass lets nothing pass as well.
  const issues = await jsonSchemaIssues(inputSchema, input ?? null);
  const [first] = issues;
  if (first === undefined) return undefined;
  const path = `/input${first.pointer}`;
  return new OpspawnError('invalid_argument', `${path} of the ${kind} "${name}" ${first.message}`, {
    details: {
      path,
      errors: issues.map(({ pointer, message }) => ({ in: 'body', path: `/input${pointer}`, message })),
    },
  });
}

/** JSON text of what the store does not look at; undefined when there is none of it. */
function optionsText({ retry, injectMcpProxy, metadata, budget }: CreateTask): string | undefined {
  const options = { retry, injectMcpProxy, metadata, budget } satisfies {
    [K in keyof TaskOptions]: TaskOptions[K];
  };
  const isEmpty = Object.values(options).every((option) => option === undefined);
  return isEmpty ? undefined : JSON.stringify(options);
}

/** Of everything that makes two requests the same; the order of keys does not matter. The input is known to be JSON. */
function digestOf({ idempotencyKey: _, ...request }: CreateTask): string {
  return hash('sha256', canonicalJson(request as { [key: string]: Json }), 'base64url');
}
