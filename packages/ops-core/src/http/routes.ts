import { Readable } from 'node:stream';
import {
  type FieldError,
  type Operation,
  type OperationId,
  OpspawnError,
  operations,
  type Success,
  type WatchEvent,
} from '@opspawn/sdk';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../auth/principal.ts';
import type { HandlerContext, Reply } from '../handlers/handler.ts';
import { handlers } from '../handlers/handlers.ts';
import type { Engine } from '../tasks/engine-interface.ts';
import { writeEventStream } from './event-stream.ts';
import type { Gate } from './gate.ts';
import { createRequestReader, type ParsedRequest } from './request.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Where a fault without a place is: in what the operation takes. */
    place?: FieldError['in'];
  }
}

export interface RouteOptions {
  engine: Engine;
  gate: Gate;
  heartbeatMs: number;
  handlerTimeoutMs: number;
  /** Fires when the server shuts down. */
  closing: AbortSignal;
}

/** Who asks for what is public. */
const nobody: Principal = { namespace: '', name: 'nobody' };

/** All handlers have this shape; that each fits its operation is checked where they are defined. */
type AnyHandler = (context: HandlerContext, request: ParsedRequest) => Promise<unknown>;

/** Adds a route for every operation and alias of the table. */
export function addRoutes(app: FastifyInstance, options: RouteOptions): void {
  const principals = new WeakMap<FastifyRequest, Principal>();
  // Before a byte of the body is read.
  const authenticate = async (request: FastifyRequest) => {
    principals.set(request, await options.gate.authenticate(request.headers.authorization));
  };
  const principalOf = (request: FastifyRequest) => principals.get(request) ?? nobody;
  for (const id of Object.keys(operations) as OperationId[]) {
    const operation: Operation = operations[id];
    const handle = createRouteHandler(operation, handlers[id] as AnyHandler, { ...options, principalOf });
    for (const path of [operation.path, ...(operation.aliases ?? [])]) {
      app.route({
        method: operation.method,
        url: routeOf(path),
        exposeHeadRoute: operation.method === 'GET' && operation.success.kind === 'json',
        ...(operation.body === undefined ? {} : { bodyLimit: operation.body.limitBytes }),
        config: { place: operation.body === undefined ? 'query' : 'body' },
        ...(operation.scope === 'public' ? {} : { onRequest: authenticate }),
        handler: handle,
      });
    }
  }
}

export const routeOf = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

function createRouteHandler(
  operation: Operation,
  handler: AnyHandler,
  options: RouteOptions & { principalOf: (request: FastifyRequest) => Principal },
) {
  const read = createRequestReader(operation);
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const parsed = read(request);
    const context: HandlerContext = {
      engine: options.engine,
      principal: options.principalOf(request),
      signal: signalOf(reply, operation.success, options.closing),
    };
    const result = await inTime(handler(context, parsed), options.handlerTimeoutMs);
    return respond(reply, operation.success, result, options.heartbeatMs);
  };
}

/**
 * Rejects with `timeout` when the handler takes too long; what it gives later is dropped. (fastify's own time-out ends
 * with the request's body, so that a POST never meets it.)
 */
async function inTime<T>(result: Promise<T>, timeoutMs: number): Promise<T> {
  const { promise: timedOut, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(
      new OpspawnError('timeout', `No answer within ${timeoutMs} ms; what was asked for may still be done`),
    );
  }, timeoutMs);
  try {
    return await Promise.race([result, timedOut]);
  } finally {
    clearTimeout(timer);
  }
}

/** A stream ends when its client is gone or the server shuts down. */
function signalOf(reply: FastifyReply, success: Success, closing: AbortSignal): AbortSignal {
  if (success.kind !== 'events') return closing;
  const ending = new AbortController();
  const end = () => ending.abort();
  if (closing.aborted) end();
  closing.addEventListener('abort', end, { once: true });
  reply.raw.once('close', () => {
    closing.removeEventListener('abort', end);
    end();
  });
  return ending.signal;
}

/** Answers are parsed by their schema, so that none has a field that OpenAPI does not know. */
function respond(reply: FastifyReply, success: Success, result: unknown, heartbeatMs: number): FastifyReply {
  switch (success.kind) {
    case 'empty':
      return reply.code(204).send();
    case 'json': {
      const { body, created, location } = result as Reply<unknown>;
      const [status, existingStatus = status] = success.statuses;
      if (location !== undefined) reply.header('location', location);
      return reply
        .code(created === false ? existingStatus : status)
        .type('application/json; charset=utf-8')
        .send(JSON.stringify(success.schema.parse(body)));
    }
    case 'events': {
      if (result === undefined) return reply.code(204).send();
      const text = writeEventStream(result as AsyncIterable<WatchEvent>, heartbeatMs);
      reply.type('text/event-stream; charset=utf-8').header('x-accel-buffering', 'no');
      return reply.send(Readable.from(text));
    }
    default:
      return success satisfies never;
  }
}
