import { type ErrorCode, errorCodes } from './error-codes.ts';

export interface OpspawnErrorOptions {
  cause?: unknown;
  /** JSON facts that a caller can act on. Never secrets: they reach clients. */
  details?: Record<string, unknown>;
  /** When the other side said how long to wait (`Retry-After`), in ms. */
  retryAfterMs?: number;
  /** Overrides what the code says about trying again. */
  retryable?: boolean;
}

/**
 * The one error class. `code` is stable; `message` is for people; `cause` is kept and never sent to a client. A code that is
 * not in the table is itself `invalid_argument`.
 */
export class OpspawnError extends Error {
  readonly code: ErrorCode;
  readonly details: Record<string, unknown>;
  readonly retryAfterMs: number | undefined;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: OpspawnErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'OpspawnError';
    this.code = code;
    this.details = options.details ?? {};
    this.retryAfterMs = options.retryAfterMs;
    this.retryable = options.retryable ?? isRetried(code, message);
  }
}

function isRetried(code: ErrorCode, message: string): boolean {
  if (Object.hasOwn(errorCodes, code)) return errorCodes[code].retryable;
  throw new OpspawnError('invalid_argument', `${String(code)} is no code of errorCodes: ${message}`);
}

/**
 * A recorded, final failure of a step, thrown again on every replay. `code` is that of the original error. `cause` is
 * there only in the process where the step failed.
 */
export class StepError extends OpspawnError {
  readonly step: string;

  constructor(step: string, recorded: RecordedError, cause?: unknown) {
    super(recorded.code, recorded.message, { cause, details: recorded.details ?? {}, retryable: false });
    this.name = 'StepError';
    this.step = step;
  }
}

/** A limit of a run was reached. `details` holds `limit` (which), `allowed`, `used` and what was asked for. */
export class BudgetExceededError extends OpspawnError {
  constructor(limit: string, allowed: number, used: number, asked = 0) {
    super(
      'budget_exceeded',
      `${limit}: ${used} of ${allowed} used${asked > 0 ? `, ${asked} more asked for` : ''}`,
      {
        details: { limit, allowed, used, asked },
      },
    );
    this.name = 'BudgetExceededError';
  }
}

/** A guardrail objected. `details` holds `guardrail` (its name), `on` (what it looked at) and `reason`. */
export class GuardrailError extends OpspawnError {
  constructor(guardrail: string, on: 'input' | 'output', reason: string) {
    super('guardrail_tripped', `The guardrail ${guardrail} objected to the ${on}: ${reason}`, {
      details: { guardrail, on, reason },
    });
    this.name = 'GuardrailError';
  }
}

/** Rejects open calls of a durable function when its task is cancelled. */
export class CancelledError extends OpspawnError {
  constructor(reason = 'cancelled') {
    super('cancelled', reason);
    this.name = 'CancelledError';
  }
}

/** Rejects a wait whose time ran out. */
export class TimeoutError extends OpspawnError {
  constructor(what: string) {
    super('timeout', `${what} timed out`);
    this.name = 'TimeoutError';
  }
}

/** An error as the journal and the APIs hold it. No stack: that is for the logs. */
export interface RecordedError {
  name: string;
  code: ErrorCode;
  message: string;
  details?: Record<string, unknown>;
  cause?: RecordedError;
}

const maxCauses = 5;

/**
 * Any thrown value as a recordable error, with its chain of causes (at most 5). Unknown errors get `fallback`. Never
 * throws: code of others throws what has no text, and what throws when it is looked at.
 */
export function recordError(thrown: unknown, fallback: ErrorCode = 'internal', depth = 0): RecordedError {
  return looked(
    () => {
      const recorded: RecordedError = {
        name: thrown instanceof Error ? String(thrown.name) : 'Error',
        code: thrown instanceof OpspawnError ? thrown.code : fallback,
        message: thrown instanceof Error ? String(thrown.message) : textOf(thrown),
      };
      if (thrown instanceof OpspawnError && Object.keys(thrown.details).length > 0)
        recorded.details = thrown.details;
      const cause = thrown instanceof Error ? thrown.cause : undefined;
      if (cause !== undefined && depth < maxCauses) recorded.cause = recordError(cause, fallback, depth + 1);
      return recorded;
    },
    () => ({ name: 'Error', code: fallback, message: unreadable }),
  );
}

/** Clients of databases throw objects with a message that are no errors. */
function textOf(thrown: unknown): string {
  const text = String(thrown);
  if (text !== '[object Object]') return text;
  const { message } = thrown as { message?: unknown };
  return typeof message === 'string' && message !== '' ? message : text;
}

/** What a thrown value says, or what it is called where it says nothing. Never throws. */
export const describeThrown = (thrown: unknown): string =>
  looked(
    () => (thrown instanceof Error ? String(thrown.message) || String(thrown.name) : textOf(thrown)),
    () => unreadable,
  );

export const isOpspawnError = (thrown: unknown): thrown is OpspawnError =>
  looked(
    () => thrown instanceof OpspawnError,
    () => false,
  );

const unreadable = 'what was thrown cannot be read';

/** Looks at what code of others made: a getter or a proxy may throw. */
function looked<T>(at: () => T, otherwise: () => T): T {
  try {
    return at();
  } catch {
    return otherwise();
  }
}

/** Whether trying again can help: our codes say so themselves; an error of anybody else's counts as passing. */
export const isRetryable = (thrown: unknown): boolean =>
  isOpspawnError(thrown) ? thrown.retryable : recordError(thrown).name !== 'AbortError';

/** For the doors only: any thrown value as an OpspawnError (`internal` when it is not one of ours). */
export const toOpspawnError = (thrown: unknown): OpspawnError =>
  isOpspawnError(thrown) ? thrown : new OpspawnError('internal', describeThrown(thrown), { cause: thrown });
