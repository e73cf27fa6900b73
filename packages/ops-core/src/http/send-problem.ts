import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Operation, OpspawnError, operations } from '@opspawn/sdk';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { securityHeaders } from './guard.ts';
import { asOpspawnError, describeProblem, problemMediaType } from './problem.ts';
import { createRequestId } from './request-id.ts';

/** Answers with the problem that the thrown value is; what is our own fault is logged, with its cause. */
export function sendProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error = asOpspawnError(thrown, request.routeOptions?.bodyLimit);
  if (error.code === 'internal')
    request.log.error({ err: thrown, requestId: request.id }, 'a request failed');
  const place = request.routeOptions?.config?.place ?? 'body';
  const { problem, headers } = describeProblem(error, { requestId: request.id, place });
  if (!request.raw.complete) lingerOn(request.raw);
  reply
    .code(problem.status)
    .headers({ ...securityHeaders, 'x-request-id': request.id, ...headers })
    .type(problemMediaType)
    .send(JSON.stringify(problem));
}

/** Without a byte for so long, a body that nobody wants is not waited for. */
const lingerMs = 5_000;

/**
 * Most clients write their whole request before they read. Closed under their hands, the connection would be reset and
 * the answer lost: so the rest of the body is thrown away first, as long as it comes in the time that a request has.
 */
function lingerOn({ socket }: IncomingMessage): void {
  socket.destroySoon = () => {
    socket.setTimeout(lingerMs);
    socket.end();
  };
}

/** For what no route takes: `method_not_allowed` with what the path allows, else `not_found`. */
export function refuseRoute(request: FastifyRequest): never {
  const [path = ''] = request.url.split('?', 1);
  const allow = allowedMethods(path);
  if (allow.length === 0) throw new OpspawnError('not_found', `There is nothing at ${path}`);
  throw new OpspawnError(
    'method_not_allowed',
    `${request.method} is not allowed here, only ${allow.join(', ')}`,
    {
      details: { allow },
    },
  );
}

const routes = [
  ...Object.values<Operation>(operations).flatMap(({ method, path, aliases = [], success }) =>
    [path, ...aliases].map((url) => ({
      url,
      methods: success.kind === 'json' && method === 'GET' ? ['GET', 'HEAD'] : [method],
    })),
  ),
  { url: '/openapi.json', methods: ['GET', 'HEAD'] },
].map(({ url, methods }) => ({
  methods,
  pattern: new RegExp(`^${url.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
}));

const allowedMethods = (path: string): string[] => [
  ...new Set(routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods)),
];

/** Answers on a connection whose bytes are no request that a route could see, and closes it. */
export function refuseBytes(error: { code?: string | undefined }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const requestId = createRequestId();
  const { status, refusal } = explain(error.code);
  const { problem } = describeProblem(refusal, { requestId, place: 'header', status });
  const body = JSON.stringify(problem);
  const headers = {
    ...securityHeaders,
    'content-type': problemMediaType,
    'content-length': Buffer.byteLength(body),
    'x-request-id': requestId,
    connection: 'close',
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  // Not imported: that would read all exports of node:http, one of which loads undici, at every start.
  const { STATUS_CODES } = process.getBuiltinModule('node:http');
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${body}`);
}

function explain(code: string | undefined): { status: number; refusal: OpspawnError } {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, refusal: new OpspawnError('timeout', 'The request came in too slowly') };
    case 'CONNECT':
      return { status: 400, refusal: new OpspawnError('invalid_argument', 'This is no proxy') };
    case 'HPE_HEADER_OVERFLOW':
      return { status: 431, refusal: new OpspawnError('payload_too_large', 'The headers are over 16 KiB') };
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return {
        status: 413,
        refusal: new OpspawnError('payload_too_large', 'The chunk extensions are over 16 KiB'),
      };
    default:
      return { status: 400, refusal: new OpspawnError('invalid_argument', 'This is not an HTTP request') };
  }
}
