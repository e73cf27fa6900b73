import { type ErrorCode, errorCodes, OpspawnError } from '@opspawn/agentkit/schema';

export interface ClientOptions {
  /** Where the server is, for instance `http://127.0.0.1:7070`. A path in it is kept. */
  baseUrl: string | URL;
  /** Default: the global `fetch`. */
  fetch?: typeof fetch;
  /** A key of the API, where the server needs one. Sent as `Authorization: Bearer …`. */
  apiKey?: string;
  /** Sent with every request. */
  headers?: Readonly<Record<string, string>>;
  /** How often a repeatable call is tried again while the server is unavailable. Default 3. */
  maxRetries?: number;
  /** For a call with all its tries. Default 60,000. Watching has none. */
  timeoutMs?: number;
}

export interface WireRequest {
  method: string;
  /** With its query. */
  path: string;
  headers?: Readonly<Record<string, string>>;
  body?: unknown;
  /** Of the body, in bytes of UTF-8. */
  limitBytes?: number;
  signal: AbortSignal;
}

/**
 * Sends one request. Gives every answer below 400. Throws OpspawnError with the server's code, `unavailable` when there
 * was no answer, or `invalid_argument` for what cannot be sent; throws the signal's reason when it fired.
 */
export async function send(options: ClientOptions, request: WireRequest): Promise<Response> {
  const answer = await exchange(options, request);
  if (answer.ok) return answer;
  throw await readProblem(answer);
}

async function exchange(options: ClientOptions, request: WireRequest): Promise<Response> {
  const headers = writeHeaders(options, request);
  const init: RequestInit = { method: request.method, headers, signal: request.signal, redirect: 'error' };
  if (request.body !== undefined) {
    headers.set('content-type', 'application/json');
    const text = writeJson(request.body);
    checkSize(text, request.limitBytes);
    init.body = text;
  }
  const url = `${String(options.baseUrl).replace(/\/+$/, '')}${request.path}`;
  try {
    return await (options.fetch ?? fetch)(url, init);
  } catch (cause) {
    request.signal.throwIfAborted();
    checkUrl(options.baseUrl, url, cause);
    throw noAnswer(url, cause);
  }
}

const cannotBeSent = (message: string, cause: unknown): OpspawnError =>
  new OpspawnError('invalid_argument', message, { cause });

function writeHeaders({ headers: given, apiKey }: ClientOptions, request: WireRequest): Headers {
  try {
    const headers = new Headers(given);
    for (const [name, value] of Object.entries(request.headers ?? {})) headers.set(name, value);
    if (apiKey !== undefined) headers.set('authorization', `Bearer ${apiKey}`);
    return headers;
  } catch (cause) {
    // What is wrong may be the key, which no message should repeat.
    throw cannotBeSent('A header, or the API key, has characters that cannot be sent', cause);
  }
}

function writeJson(body: unknown): string {
  try {
    const text: unknown = JSON.stringify(body);
    if (typeof text === 'string') return text;
    throw new TypeError(`it is a ${typeof body}`);
  } catch (cause) {
    throw cannotBeSent(`The request cannot be written as JSON: ${(cause as Error).message}`, cause);
  }
}

/** `fetch` fails alike where nobody answers and where it does not ask. In browsers a URL may be relative. */
function checkUrl(baseUrl: string | URL, url: string, cause: unknown): void {
  try {
    if (/^https?:$/.test(new URL(new Request(url).url).protocol)) return;
  } catch {
    // Told below.
  }
  const hidden = String(baseUrl).replace(/\/\/.*@/, '//…@');
  throw cannotBeSent(`${hidden} is no http or https URL without a user and password`, cause);
}

/** A server closes the connection on a body that is too big, often before its answer can be read. */
function checkSize(text: string, limitBytes = Number.POSITIVE_INFINITY): void {
  // No character of UTF-16 takes more than three bytes.
  if (text.length * 3 <= limitBytes || new TextEncoder().encode(text).length <= limitBytes) return;
  throw new OpspawnError('payload_too_large', `The request is over ${limitBytes} bytes`, {
    details: { limitBytes },
  });
}

export const noAnswer = (what: string, cause: unknown): OpspawnError =>
  new OpspawnError('unavailable', `No answer from ${what}`, { cause });

/** The error of an answer ≥ 400. Of an answer that is not ours (a proxy's), the code is guessed from its status. */
async function readProblem(answer: Response): Promise<OpspawnError> {
  const problem: unknown = await answer.json().catch(() => undefined);
  const fields: Record<string, unknown> =
    typeof problem === 'object' && problem !== null ? { ...problem } : {};
  const details: Record<string, unknown> = { status: answer.status };
  const requestId = answer.headers.get('x-request-id');
  if (requestId !== null) details.requestId = requestId;
  if (fields.errors !== undefined) details.errors = fields.errors;
  if (fields.details !== undefined) details.details = fields.details;
  const retryAfterMs = readRetryAfter(answer.headers.get('retry-after'));
  const message =
    typeof fields.detail === 'string'
      ? fields.detail
      : `The server answered ${answer.status}, and not as Opspawn does`;
  return new OpspawnError(isErrorCode(fields.code) ? fields.code : codeOfStatus(answer.status), message, {
    details,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

const isErrorCode = (code: unknown): code is ErrorCode =>
  typeof code === 'string' && Object.hasOwn(errorCodes, code);

const fallbackCodes: readonly ErrorCode[] = [
  'unauthenticated',
  'permission_denied',
  'not_found',
  'method_not_allowed',
  'wrong_state',
  'payload_too_large',
  'unsupported_media_type',
  'rate_limited',
  'unavailable',
  'timeout',
];

function codeOfStatus(status: number): ErrorCode {
  const code = fallbackCodes.find((candidate) => errorCodes[candidate].http === status);
  if (code !== undefined) return code;
  if (status === 502) return 'unavailable';
  return status < 500 ? 'invalid_argument' : 'internal';
}

/** Seconds or an HTTP date, in ms from now. */
function readRetryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
