import { type FieldError, type Operation, OpspawnError } from '@opspawn/sdk';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { invalidArgument, pointerTo } from '../handlers/invalid-argument.ts';
import { parseJsonBody } from './json-body.ts';
import { type QueryKind, queryKinds, readQuery, twice } from './query.ts';

export interface ParsedRequest {
  params: unknown;
  query: unknown;
  headers: unknown;
  body: unknown;
}

/**
 * Makes the reader of an operation's requests: all that its schemas say is checked and every fault is named with its
 * place. Throws `invalid_argument`, or `unsupported_media_type` for a body that is not JSON.
 */
export function createRequestReader(operation: Operation): (request: FastifyRequest) => ParsedRequest {
  // Made at the first request: of all operations it would be a tenth of what the server costs to start.
  let kinds: ReadonlyMap<string, QueryKind> | undefined;
  return (request) => {
    kinds ??= operation.query === undefined ? noQuery : queryKinds(operation.query);
    const faults: FieldError[] = [];
    const query = readQuery(request.raw.url ?? '', kinds, faults);
    const parsed: ParsedRequest = {
      params: check('path', operation.params, request.params, faults),
      query:
        operation.query === undefined
          ? refuseQuery(query, faults)
          : check('query', operation.query, query, faults),
      headers: check('header', operation.headers, readHeaders(operation, request, faults), faults),
      body: check('body', operation.body?.schema, readBody(operation, request), faults),
    };
    if (faults.length > 0) throw invalidArgument(faults);
    return parsed;
  };
}

const noQuery: ReadonlyMap<string, QueryKind> = new Map();

function refuseQuery(query: Record<string, unknown>, faults: FieldError[]): undefined {
  for (const name of Object.keys(query)) {
    faults.push({ in: 'query', path: pointerTo(name), message: unknownField });
  }
}

/** Node joins or drops a header that is there twice, so that is told apart here. */
function readHeaders({ headers: schema }: Operation, request: FastifyRequest, faults: FieldError[]): unknown {
  for (const name of Object.keys(schema?.shape ?? {})) {
    const { rawHeaders } = request.raw;
    const times = rawHeaders.filter((raw, index) => index % 2 === 0 && raw.toLowerCase() === name).length;
    if (times > 1) faults.push({ in: 'header', path: pointerTo(name), message: twice });
  }
  return request.headers;
}

/** undefined when there is none, and none is needed. */
function readBody(operation: Operation, request: FastifyRequest): unknown {
  const bytes = request.body instanceof Buffer ? request.body : undefined;
  if (bytes === undefined || bytes.length === 0) {
    if (operation.body?.required !== true) return undefined;
    throw invalidArgument([{ in: 'body', path: '', message: 'the body is missing' }]);
  }
  // Many clients send one with every POST.
  if (operation.body === undefined && !isEmptyObject.test(bytes.toString('latin1', 0, 100))) {
    throw invalidArgument([{ in: 'body', path: '', message: 'this operation takes no body' }]);
  }
  checkMediaType(request);
  const value = parseJsonBody(bytes);
  return operation.body === undefined ? undefined : value;
}

const isEmptyObject = /^\s*\{\s*\}\s*$/;

const jsonMediaType = /^application\/json\s*(?:;\s*charset\s*=\s*(?:utf-8|"utf-8")\s*)?;?$/i;

function checkMediaType({ headers }: FastifyRequest): void {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new OpspawnError(
      'unsupported_media_type',
      'Content-Encoding must be identity: bodies are not decompressed',
    );
  }
  if (!jsonMediaType.test(headers['content-type'] ?? '')) {
    throw new OpspawnError('unsupported_media_type', 'Content-Type must be application/json, in UTF-8');
  }
}

function check(
  place: FieldError['in'],
  schema: z.ZodType | undefined,
  value: unknown,
  faults: FieldError[],
): unknown {
  if (schema === undefined || (place === 'body' && value === undefined)) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    for (const fault of faultsOf(issue)) faults.push({ in: place, ...fault });
  }
  return undefined;
}

const unknownField = 'is not a known field';

function faultsOf(issue: z.core.$ZodIssue): Omit<FieldError, 'in'>[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: pointerTo(...issue.path, key), message: unknownField }));
  }
  const isMissing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
  return [{ path: pointerTo(...issue.path), message: isMissing ? 'is missing' : issue.message }];
}
