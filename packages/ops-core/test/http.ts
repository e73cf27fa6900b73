/** A server on a port of its own over an engine of maps, and raw connections to it. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { type Client, createClient } from '@opspawn/sdk';
import type { FastifyInstance } from 'fastify';
import { createHttpServer, type HttpServerOptions, listen } from '../src/http/server.ts';
import { MemoryEngine } from './memory-engine.ts';

export interface TestServer extends AsyncDisposable {
  app: FastifyInstance;
  engine: MemoryEngine;
  client: Client;
  url: string;
  port: number;
}

export async function startServer(options: Partial<HttpServerOptions> = {}): Promise<TestServer> {
  const engine = new MemoryEngine();
  const app = createHttpServer({ engine, ...options });
  const url = await listen(app, { host: '127.0.0.1', port: 0 });
  return {
    app,
    engine,
    url,
    client: createClient({ baseUrl: url }),
    port: Number(new URL(url).port),
    [Symbol.asyncDispose]: () => app.close(),
  };
}

export interface RawAnswer {
  status: number;
  headers: Map<string, string>;
  body: string;
}

/** Sends these bytes and gives all that comes back until the server closes. */
export async function exchange(port: number, bytes: string | Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(bytes);
  return text(socket);
}

/** The answer to a request that asks for the connection to be closed. */
export function readAnswer(raw: string): RawAnswer {
  const split = raw.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = raw.slice(0, split).split('\r\n');
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: new Map(
      lines.map((line): [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    ),
    body: raw.slice(split + 4),
  };
}
