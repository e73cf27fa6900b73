import { CancelledError, describeThrown, OpspawnError } from '../errors.ts';

/** What the providers' errors have in common. Read by shape: each package carries its own copy of the classes. */
interface ProviderFailure {
  name?: string;
  message?: string;
  type?: string;
  code?: string | number | null;
  statusCode?: number;
  responseHeaders?: Record<string, string>;
  responseBody?: string;
  cause?: unknown;
}

const maxReasonLength = 1_000;

/** Statuses below 500 after which trying again can help: time-out, conflict, too early, too many. */
const passingStatuses = new Set([408, 409, 425, 429]);

/** Errors of the SDK that say that the request itself cannot work. */
const finalErrors = new Set([
  'AI_InvalidArgumentError',
  'AI_InvalidPromptError',
  'AI_LoadAPIKeyError',
  'AI_LoadSettingError',
  'AI_NoSuchModelError',
  'AI_UnsupportedFunctionalityError',
]);

/** What providers send in the middle of a stream when the request cannot work. */
const finalErrorTypes = new Set([
  'authentication_error',
  'invalid_request_error',
  'not_found_error',
  'permission_error',
  'request_too_large',
]);

/**
 * Anything thrown while `model` was asked, as `model_failed` (passing) or `model_rejected` (final). What aborted the
 * call comes back as it is, except for a bare time-out, which is `model_failed`.
 */
export function modelError(thrown: unknown, model: string, signal: AbortSignal): Error {
  if (signal.aborted) return abortError(signal.reason, model);
  if (thrown instanceof OpspawnError) {
    const { code, message, details, retryAfterMs } = thrown;
    return new OpspawnError(code, `${model}: ${message}`, {
      cause: thrown,
      details: { model, ...details },
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
  const failure: ProviderFailure =
    typeof thrown === 'object' && thrown !== null ? thrown : { message: String(thrown) };
  const status = failure.statusCode;
  const isFinal = isRejection(failure);
  const retryAfterMs = isFinal ? undefined : saidToWait(failure);
  const said = status === undefined ? '' : ` (HTTP ${status})`;
  return new OpspawnError(
    isFinal ? 'model_rejected' : 'model_failed',
    `${model} ${isFinal ? 'refused the request' : 'failed'}${said}: ${reasonOf(failure)}`,
    {
      cause: thrown,
      details: status === undefined ? { model } : { model, status },
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  );
}

/**
 * The SDK quotes an answer that it does not understand, and says of every shape that it knows why it is another. Of one
 * that came with success it says that only: proxies and local servers say so what is wrong. Of one that did not come whole
 * it says that a success was not processed.
 */
function reasonOf({ message, statusCode = 0, responseBody = '', cause }: ProviderFailure): string {
  const said = String(message ?? 'no reason given');
  const reason = statusCode >= 200 && statusCode < 300 ? ofSuccess(said, responseBody.trim(), cause) : said;
  return reason.length > maxReasonLength ? `${reason.slice(0, maxReasonLength)}…` : reason;
}

function ofSuccess(said: string, body: string, cause: unknown): string {
  if (body !== '') return `${said}. It answered: ${body}`;
  return cause === undefined ? said : `the answer broke off (${whyCut(cause)})`;
}

/** Of the innermost cause: those around it say no more than that something ended. */
function whyCut(thrown: unknown, depth = 0): string {
  const { cause, code } = thrown instanceof Error ? (thrown as NodeJS.ErrnoException) : {};
  if (cause !== undefined && depth < 5) return whyCut(cause, depth + 1);
  return typeof code === 'string' && /^E[A-Z]+$/.test(code) ? code : describeThrown(thrown);
}

function isRejection({ name, type, statusCode }: ProviderFailure): boolean {
  if (statusCode !== undefined)
    return statusCode >= 400 && statusCode < 500 && !passingStatuses.has(statusCode);
  return (name !== undefined && finalErrors.has(name)) || (type !== undefined && finalErrorTypes.has(type));
}

function abortError(reason: unknown, model: string): Error {
  if (reason instanceof Error && reason.name === 'TimeoutError' && !(reason instanceof OpspawnError)) {
    return new OpspawnError('model_failed', `${model} did not answer in time`, {
      cause: reason,
      details: { model },
    });
  }
  return reason instanceof Error ? reason : new CancelledError(String(reason));
}

/** Gemini says it in the body (`google.rpc.RetryInfo`), all others in a header. */
function saidToWait({ responseHeaders, responseBody = '' }: ProviderFailure): number | undefined {
  const [, seconds] = /"retryDelay"\s*:\s*"(\d+(?:\.\d+)?)s"/.exec(responseBody) ?? [];
  return (
    readRetryAfter(responseHeaders) ?? (seconds === undefined ? undefined : wholeMs(Number(seconds) * 1_000))
  );
}

/** `retry-after-ms`, or `retry-after` in seconds or as a date (RFC 9110, 10.2.3), in ms from now; never negative, nor more than a year. */
export function readRetryAfter(
  headers: Record<string, string> | undefined,
  now = Date.now(),
): number | undefined {
  const exact = headers?.['retry-after-ms']?.trim();
  if (exact !== undefined && /^\d+(\.\d+)?$/.test(exact)) return wholeMs(Number(exact));
  const value = headers?.['retry-after']?.trim();
  if (value === undefined) return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return wholeMs(Number(value) * 1_000);
  // A date has a name of a month; Date.parse reads years into mere numbers.
  const at = /[a-z]/i.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : wholeMs(at - now);
}

/** What is longer is a mistake of the provider's, and may be no number that JSON holds. */
const longestMs = 365 * 24 * 3_600_000;

const wholeMs = (ms: number): number => Math.min(Math.max(0, Math.ceil(ms)), longestMs);
