import {
  type ErrorCode,
  errorCodes,
  type FieldError,
  OpspawnError,
  type Problem,
  problemSchema,
} from '@opspawn/sdk';
import { invalidArgument } from '../handlers/invalid-argument.ts';

export const problemMediaType = 'application/problem+json; charset=utf-8';

export interface ProblemReply {
  problem: Problem;
  headers: Record<string, string>;
}

export interface ProblemContext {
  requestId: string;
  /** Where a path without a place points to. */
  place: FieldError['in'];
  /** Overrides the code's status where HTTP knows a closer one. */
  status?: number;
}

/** What a client is told of an error: for `internal` only the request id, under which the log has the rest. */
export function describeProblem(error: OpspawnError, context: ProblemContext): ProblemReply {
  const { errors, path, allow, ...details } = error.details;
  const problem: Problem = {
    type: `urn:opspawn:error:${error.code}`,
    title: titleOf(error.code),
    status: context.status ?? errorCodes[error.code].http,
    detail:
      error.code === 'internal'
        ? 'Something broke; the server’s log has it under this request id'
        : error.message,
    code: error.code,
    requestId: context.requestId,
  };
  const headers: Record<string, string> = {};
  if (error.code === 'unavailable' || error.code === 'rate_limited') {
    headers['retry-after'] = String(Math.ceil((error.retryAfterMs ?? 1000) / 1000));
  } else if (error.code === 'quota_exceeded' && error.retryAfterMs !== undefined) {
    headers['retry-after'] = String(Math.ceil(error.retryAfterMs / 1000));
  }
  if (error.code === 'unauthenticated') headers['www-authenticate'] = 'Bearer';
  if (error.code === 'internal') return { problem, headers };
  if (Array.isArray(errors)) problem.errors = errors;
  else if (typeof path === 'string') problem.errors = [{ in: context.place, path, message: error.message }];
  if (Array.isArray(allow)) headers.allow = allow.join(', ');
  const facts = problemSchema.shape.details.safeParse(details);
  if (facts.data !== undefined && Object.keys(facts.data).length > 0) problem.details = facts.data;
  return { problem, headers };
}

export const titleOf = (code: ErrorCode): string => {
  const words = code.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/** Any thrown value as ours. fastify's own errors say by their status what they are; `limitBytes` is that of the route's bodies. */
export function asOpspawnError(thrown: unknown, limitBytes?: number): OpspawnError {
  if (thrown instanceof OpspawnError) return thrown;
  const { code, statusCode, message } = thrown as Partial<Record<'code' | 'statusCode' | 'message', unknown>>;
  const told = typeof code === 'string' ? pathFaults[code] : undefined;
  if (told !== undefined) return invalidArgument([{ in: 'path', path: '', message: told }]);
  const ours = typeof code === 'string' && code.startsWith('FST_') ? codeOfFastify(statusCode) : 'internal';
  if (ours === 'payload_too_large' && limitBytes !== undefined)
    return new OpspawnError(ours, `The body is over ${limitBytes} bytes`, {
      details: { limitBytes },
      cause: thrown,
    });
  return new OpspawnError(ours, typeof message === 'string' ? message : String(thrown), { cause: thrown });
}

/** What the router refuses before an operation's schema can. */
const pathFaults: Readonly<Record<string, string>> = {
  FST_ERR_BAD_URL: 'the path is not percent-encoded UTF-8',
  FST_ERR_MAX_PARAM_LENGTH: 'a part of the path is too long',
};

function codeOfFastify(status: unknown): ErrorCode {
  if (status === 404) return 'not_found';
  if (status === 413) return 'payload_too_large';
  if (status === 415) return 'unsupported_media_type';
  return status === 400 || status === 414 ? 'invalid_argument' : 'internal';
}
