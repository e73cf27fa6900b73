import { setMaxListeners } from 'node:events';
import { Socket } from 'node:net';
import { OpspawnError } from '@opspawn/sdk';
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import type { Engine } from '../tasks/engine-interface.ts';
import { type Gate, openGate } from './gate.ts';
import { checkSource, isLoopback, securityHeaders } from './guard.ts';
import { createOpenApi } from './openapi.ts';
import { createRequestId } from './request-id.ts';
import { addRoutes } from './routes.ts';
import { refuseBytes, refuseRoute, sendProblem } from './send-problem.ts';

export interface HttpServerOptions {
  engine: Engine;
  /** Who may ask. Default: everybody who can reach it, which is right on loopback only. */
  gate?: Gate;
  /** Under which names others may call it, beside addresses and names without a dot; see `Guarded`. Default: none. */
  hosts?: readonly string[];
  /** Gets the errors that are ours. Default: nobody. */
  log?: FastifyBaseLogger;
  /** How long an event stream is quiet before a comment is sent. Default 15,000. */
  heartbeatMs?: number;
  /** For an answer, once the request was read. Default 30,000. */
  handlerTimeoutMs?: number;
  /** For a whole request to come in. Default 60,000. */
  requestTimeoutMs?: number;
  /** For a connection on which nothing moves, also that of a watcher who takes nothing. Default 75,000. */
  idleTimeoutMs?: number;
  /** Default 4,096; one more is closed at once. */
  maxConnections?: number;
}

/**
 * The REST API over an engine: every operation of the table, and `/openapi.json`. `listen` makes it reachable; closing
 * it ends event streams and waits for the answers that are being made.
 */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { gate = openGate, hosts = [] } = options;
  const closing = new AbortController();
  // One listener per open event stream.
  setMaxListeners(0, closing.signal);
  const app = createApp(options);
  app.addHook('preClose', async () => closing.abort());
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ ...securityHeaders, 'x-request-id': request.id });
    checkSource(request, { isKeyed: gate.isKeyed, hosts });
    if (!closing.signal.aborted) return;
    reply.header('connection', 'close');
    throw new OpspawnError('unavailable', 'The server shuts down');
  });
  app.addHook('onResponse', async ({ raw }) => {
    // A connection that is kept alive would keep the server open.
    if (closing.signal.aborted && raw.socket instanceof Socket) raw.socket.end();
  });
  app.setErrorHandler(sendProblem);
  app.setNotFoundHandler(refuseRoute);
  takeBodiesAsBytes(app);
  addRoutes(app, {
    engine: options.engine,
    gate,
    heartbeatMs: options.heartbeatMs ?? 15_000,
    handlerTimeoutMs: options.handlerTimeoutMs ?? 30_000,
    closing: closing.signal,
  });
  let openApi: string | undefined;
  app.get('/openapi.json', async (_request, reply) => {
    openApi ??= JSON.stringify(createOpenApi());
    return reply.type('application/json; charset=utf-8').send(openApi);
  });
  return app;
}

/** Listens and gives the URL. Throws `config_invalid` for a port that is taken, or where others may come in without a key. */
export async function listen(
  app: FastifyInstance,
  { host, port, gate = openGate }: { host: string; port: number; gate?: Gate },
): Promise<string> {
  if (!gate.isKeyed && !isLoopback(host)) {
    throw new OpspawnError(
      'config_invalid',
      `Opspawn does not listen on ${host}: without API keys everybody there could run tasks. Use 127.0.0.1, ::1 or localhost`,
      { details: { host } },
    );
  }
  try {
    return await app.listen({ host, port });
  } catch (cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (syscall !== 'listen' && syscall !== 'getaddrinfo') throw cause;
    const why = code === 'EADDRINUSE' ? 'it is in use' : code;
    throw new OpspawnError('config_invalid', `Opspawn cannot listen on ${host}:${port}: ${why}`, { cause });
  }
}

function createApp(options: HttpServerOptions): FastifyInstance {
  const requestTimeoutMs = options.requestTimeoutMs ?? 60_000;
  const app = fastify({
    http: {
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(30_000, requestTimeoutMs),
      // The guard answers with a problem, Node with an empty 400.
      requireHostHeader: false,
    },
    requestTimeout: requestTimeoutMs,
    connectionTimeout: options.idleTimeoutMs ?? 75_000,
    ...(options.log === undefined ? {} : { loggerInstance: options.log }),
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: createRequestId,
    return503OnClosing: false,
    // The query is read from the URL by the operation's schema. A key has up to 200 characters, each encoded in up to 12.
    routerOptions: { querystringParser: () => ({}), maxParamLength: 2_400 },
    // Requests and answers are checked by the operations' own schemas. Without these, fastify loads compilers for others.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    frameworkErrors: sendProblem,
    clientErrorHandler: refuseBytes,
  });
  app.server.maxConnections = options.maxConnections ?? 4096;
  // RFC 9110 lets a server pass over expectations that it does not know; Node would answer with an empty 417.
  app.server.on('checkExpectation', app.routing);
  // Node would hang up without a word.
  app.server.on('connect', ({ method }, socket) => refuseBytes({ code: method }, socket));
  return app;
}

function noSchemas(): never {
  throw new OpspawnError('internal', 'Routes have no schemas of fastify');
}

/** What a body is, and whether there may be one, is the operation's to say. */
function takeBodiesAsBytes(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, bytes, done) => done(null, bytes));
}
