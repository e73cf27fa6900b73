import { ProtocolError, SdkError, SdkErrorCode, SdkHttpError } from '@modelcontextprotocol/client';
import { OpspawnError } from '../errors.ts';
import { isBrokenStream } from './broken-streams.ts';

export interface RequestFailureContext {
  server: string;
  /** What was asked, for messages: a tool's name. */
  subject: string;
  callTimeoutMs: number;
  /** A session of the older era was open over HTTP. */
  hasSession: boolean;
  /** Why the connection is gone, where that is known. */
  reason: string | undefined;
  redact(text: string): string;
}

/** `timedOut`: the server may hang. `lost`: nothing more will come over this connection. `failed`: this request only. */
export interface RequestFailure {
  kind: 'timedOut' | 'lost' | 'failed';
  error: OpspawnError;
}

/**
 * What the client threw, as an error of ours: `tool_failed` for what the server refuses, `timeout`, or `mcp_failed`.
 * `details.outcome` is `not_done` where the server cannot have begun, else `unknown`.
 */
export function requestFailure(cause: unknown, context: RequestFailureContext): RequestFailure {
  const { server, subject, callTimeoutMs, hasSession, reason, redact } = context;
  if (cause instanceof ProtocolError && !isBrokenStream(cause)) {
    // whoever called a tool knows its server; of a list nobody would
    const message = /^\w+\/\w+/.test(subject)
      ? `MCP server ${server}: ${cause.message} (during ${subject})`
      : cause.message;
    const error = new OpspawnError('tool_failed', redact(message), {
      cause,
      retryable: false,
      details: { subject },
    });
    return { kind: 'failed', error };
  }
  if (cause instanceof SdkError && cause.code === SdkErrorCode.RequestTimeout) {
    const message = `MCP server ${server} did not answer ${subject} within ${callTimeoutMs} ms`;
    const details = { server, subject, outcome: 'unknown' };
    return { kind: 'timedOut', error: new OpspawnError('timeout', message, { cause, details }) };
  }
  const isRefused = hasLostSession(cause, hasSession) || wasNeverConnected(cause);
  const details = { server, subject, outcome: isRefused ? 'not_done' : 'unknown' };
  const message = `MCP server ${server}: ${redact(reason ?? messageOf(cause))} (during ${subject})`;
  const error = new OpspawnError('mcp_failed', message, { cause, details, ...retryOf(cause) });
  return { kind: isRefused || !isAnswer(cause) ? 'lost' : 'failed', error };
}

/** A restarted server knows no session of before; 404 says so, and many servers say it with 400. */
function hasLostSession(cause: unknown, hasSession: boolean): boolean {
  if (!hasSession || !(cause instanceof SdkHttpError)) return false;
  return cause.status === 404 || (cause.status === 400 && /session/i.test(String(cause.data.text)));
}

/** Nothing was sent. */
const wasNeverConnected = (cause: unknown): boolean =>
  cause instanceof Error &&
  cause.cause instanceof Error &&
  /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH/.test(
    `${(cause.cause as NodeJS.ErrnoException).code} ${cause.cause.message}`,
  );

/** The server is there and said something, if only nonsense: other requests are none the worse for it. */
const isAnswer = (cause: unknown): boolean =>
  cause instanceof SdkHttpError ||
  isBrokenStream(cause) ||
  (cause instanceof SdkError &&
    cause.code !== SdkErrorCode.ConnectionClosed &&
    cause.code !== SdkErrorCode.NotConnected &&
    cause.code !== SdkErrorCode.SendFailed);

/** Asking again does not help against a 4xx, but for those that say "later". */
function retryOf(cause: unknown): { retryable: boolean } | undefined {
  if (!(cause instanceof SdkHttpError)) return undefined;
  const { status } = cause;
  return status >= 400 && status < 500 && ![404, 408, 425, 429].includes(status)
    ? { retryable: false }
    : undefined;
}

/** `fetch failed` says why only in its cause. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof SdkHttpError)
    return `HTTP ${error.status}: ${shorten(String(error.data.text ?? error.message))}`;
  const text = shorten(error.message);
  return error.cause instanceof Error ? `${text}: ${error.cause.message}` : text;
}

const maxMessageChars = 500;
const shorten = (text: string): string =>
  text.length > maxMessageChars ? `${text.slice(0, maxMessageChars)}…` : text;
