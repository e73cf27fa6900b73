import { OpspawnError } from '@opspawn/agentkit/schema';
import type { Operation } from '../operations/operation.ts';
import { operations } from '../operations/operations.ts';
import { type ClientOptions, noAnswer, send, type WireRequest } from './connection.ts';
import type { CallOptions, Client, WatchOptions } from './method.ts';
import { delay, retryDelayMs } from './retry.ts';
import { watchTask } from './watch.ts';

const defaultTimeoutMs = 60_000;
const defaultMaxRetries = 3;

/**
 * A client with one method per operation, for browsers and Node ≥ 22. Methods take the task's id (or the key) first where the path
 * has one, then the body or query, then `{ signal, timeoutMs }`. They throw OpspawnError with the server's code
 * (`unavailable` when there was no answer, `timeout` after `timeoutMs`, `invalid_argument` for what cannot be sent), or the
 * signal's reason when it fired.
 */
export function createClient(options: ClientOptions): Client {
  const groups: Record<string, Record<string, unknown>> = {};
  for (const [id, operation] of Object.entries<Operation>(operations)) {
    const [group = '', name = ''] = id.split('.');
    const methods = groups[group] ?? {};
    methods[name] =
      operation.success.kind === 'events' ? watcher(options, operation) : caller(options, operation);
    groups[group] = methods;
  }
  return groups as unknown as Client;
}

function watcher(options: ClientOptions, operation: Operation) {
  return (taskId: string, watch?: WatchOptions) => watchTask(options, fillPath(operation, taskId), watch);
}

function caller(options: ClientOptions, operation: Operation) {
  const hasInput = operation.body !== undefined || operation.query !== undefined;
  return async (...values: unknown[]): Promise<unknown> => {
    const rest = [...values];
    const path = fillPath(operation, operation.params === undefined ? undefined : rest.shift());
    const input = hasInput ? (rest.shift() as Record<string, unknown> | undefined) : undefined;
    return call(options, operation, { path, input, options: (rest.shift() ?? {}) as CallOptions });
  };
}

interface Call {
  path: string;
  input: Record<string, unknown> | undefined;
  options: CallOptions;
}

async function call(
  client: ClientOptions,
  operation: Operation,
  { path, input, options }: Call,
): Promise<unknown> {
  const timeoutMs = options.timeoutMs ?? client.timeoutMs ?? defaultTimeoutMs;
  const timeout = timeoutSignal(timeoutMs);
  const giveUpAt = performance.now() + timeoutMs;
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
  const request: WireRequest = {
    method: operation.method,
    path: operation.query === undefined ? path : `${path}${writeQuery(input)}`,
    ...(operation.body === undefined || input === undefined
      ? {}
      : { body: input, limitBytes: operation.body.limitBytes }),
    signal,
  };
  const maxTries = isRepeatable(operation, input) ? 1 + (client.maxRetries ?? defaultMaxRetries) : 1;
  try {
    return await trySending(client, request, { maxTries, giveUpAt });
  } catch (thrown) {
    if (!timeout.aborted || options.signal?.aborted === true) throw thrown;
    throw new OpspawnError('timeout', `${request.method} ${path} took longer than ${timeoutMs} ms`, {
      cause: thrown,
    });
  }
}

function timeoutSignal(timeoutMs: number): AbortSignal {
  try {
    return AbortSignal.timeout(timeoutMs);
  } catch (cause) {
    const message = `timeoutMs must be a whole number of milliseconds, at most 4294967295, and is ${timeoutMs}`;
    throw new OpspawnError('invalid_argument', message, { cause });
  }
}

interface Patience {
  maxTries: number;
  /** Of performance.now(). */
  giveUpAt: number;
}

async function trySending(
  client: ClientOptions,
  request: WireRequest,
  { maxTries, giveUpAt }: Patience,
): Promise<unknown> {
  for (let tryNumber = 1; ; tryNumber++) {
    try {
      return await readBody(await send(client, request), request);
    } catch (thrown) {
      if (!(thrown instanceof OpspawnError) || thrown.code !== 'unavailable' || tryNumber >= maxTries)
        throw thrown;
      const delayMs = retryDelayMs(tryNumber, thrown);
      if (performance.now() + delayMs >= giveUpAt) throw thrown;
      await delay(delayMs, request.signal);
    }
  }
}

async function readBody(answer: Response, request: WireRequest): Promise<unknown> {
  if (answer.status === 204) return undefined;
  try {
    return await answer.json();
  } catch (cause) {
    request.signal.throwIfAborted();
    throw noAnswer(request.path, cause);
  }
}

const isRepeatable = ({ repeatable }: Operation, input: Record<string, unknown> | undefined): boolean =>
  typeof repeatable === 'boolean' ? repeatable : input?.[repeatable.withField] !== undefined;

/** Throws `invalid_argument` for an id or key that is none: in a URL, `..` would lead elsewhere. */
function fillPath({ params, path }: Operation, value: unknown): string {
  if (params === undefined) return path;
  const [name = ''] = Object.keys(params.shape);
  const [issue] = params.safeParse({ [name]: value }).error?.issues ?? [];
  if (issue !== undefined) {
    const message = name === 'taskId' ? 'must be a UUID' : issue.message;
    throw new OpspawnError('invalid_argument', `${String(value)} is no ${wordsOf(name)}`, {
      details: { errors: [{ in: 'path', path: `/${name}`, message }] },
    });
  }
  return path.replace(`{${name}}`, encodePathSegment(String(value)));
}

/** `taskId`: `task id`. */
const wordsOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** `fetch` takes `.` and `..` for steps, also when they are encoded once. */
function encodePathSegment(value: string): string {
  if (value === '.' || value === '..')
    throw new OpspawnError('invalid_argument', `${value} cannot stand in a URL`, {
      details: { errors: [{ in: 'path', path: '/', message: 'must not be . or ..' }] },
    });
  return encodeURIComponent(value);
}

function writeQuery(input: Record<string, unknown> | undefined): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(input ?? {})) {
    if (value !== undefined) query.set(name, Array.isArray(value) ? value.join(',') : String(value));
  }
  return query.size === 0 ? '' : `?${query}`;
}
