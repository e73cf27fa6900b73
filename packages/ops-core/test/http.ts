/** The REST API over a whole Opspawn in this process, and raw connections to it. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { text } from 'node:stream/consumers';
import { type Client, createClient, OpspawnError, type Task } from '@opspawn/sdk';
import type { FastifyInstance } from 'fastify';
import { createHttpServer, type HttpServerOptions, listen } from '../src/http/server.ts';
import { createLog } from '../src/observe/log.ts';
import { startWorker } from '../src/start/start.ts';
import { defineFunction, defineWorkflow } from '../src/tasks/definitions/definition.ts';
import { defineConfig } from '../src/tasks/definitions/user-config.ts';
import type { Engine, Followed } from '../src/tasks/engine-interface.ts';
import { testSettings } from './opspawn.ts';

/** What the functions do when they get it as the signal `order`. */
export type Order = { log: string; times: number } | { fail: string } | { end: string };

const obedient = (name: string) =>
  defineFunction({
    name,
    retry: { maxAttempts: 1 },
    async run(ctx) {
      for (;;) {
        const order = await ctx.signal<Order>('order');
        if ('end' in order) return order.end;
        if ('fail' in order) throw new OpspawnError('step_failed', order.fail);
        for (let time = 0; time < order.times; time++) ctx.log('info', order.log);
      }
    },
  });

/** Two of them are named in the examples of the API. */
const functionNames = ['a', 'b', 'folder-report', 'thumbnail'];

const ask = defineWorkflow({ name: 'ask', run: (ctx) => ctx.approval('refund') });

export interface TestServer extends AsyncDisposable {
  app: FastifyInstance;
  client: Client;
  url: string;
  port: number;
  engine: Engine;
  /** Calls of the engine that do what the test says instead. */
  instead: Partial<Engine>;
  /** What was followed through the engine. */
  followed: Following;
  order(taskId: string, order: Order): Promise<void>;
}

interface Following {
  /** Streams that are followed now. */
  open: number;
  /** What all of them got so far. */
  events: number;
  /** Handed out before anything else. */
  live: readonly unknown[];
  /** Makes open streams fail, as a lost database would. */
  breaking: AbortController;
}

export async function startServer(options: Partial<HttpServerOptions> = {}): Promise<TestServer> {
  const running = await startWorker({
    settings: testSettings(undefined, { shutdownGraceMs: 0 }),
    log: createLog({ level: 'silent' }),
    loaded: {
      path: `${tmpdir()}/opspawn.config.ts`,
      config: defineConfig({ functions: functionNames.map(obedient), workflows: [ask] }),
    },
  });
  const followed: Following = { open: 0, events: 0, live: [], breaking: new AbortController() };
  const instead: Partial<Engine> = { follow: watchFollowers(running.engine, followed) };
  const engine = replaceCalls(running.engine, instead);
  const app = createHttpServer({ engine, ...options });
  const url = await listen(app, { host: '127.0.0.1', port: 0 });
  const client = createClient({ baseUrl: url });
  return {
    app,
    client,
    url,
    port: Number(new URL(url).port),
    engine: running.engine,
    instead,
    followed,
    order: (taskId, order) => client.tasks.signal(taskId, { name: 'order', data: order }),
    async [Symbol.asyncDispose]() {
      await app.close();
      await running[Symbol.asyncDispose]();
    },
  };
}

const replaceCalls = (engine: Engine, instead: Partial<Engine>): Engine =>
  new Proxy(engine, {
    get(target, name: keyof Engine) {
      const call = instead[name] ?? target[name];
      return typeof call === 'function' ? call.bind(target) : call;
    },
  });

function watchFollowers(engine: Engine, followed: Following): Engine['follow'] {
  return async function* follow(principal, taskId, options): AsyncGenerator<Followed> {
    const { signal: breaking } = followed.breaking;
    const signal = AbortSignal.any([options.signal, breaking]);
    followed.open++;
    try {
      for (const event of followed.live) yield { type: 'live', event };
      for await (const one of engine.follow(principal, taskId, { ...options, signal })) {
        followed.events++;
        yield one;
      }
      if (breaking.aborted) throw new Error('the database went away');
    } finally {
      followed.open--;
    }
  };
}

/** Waits until a task is in one of these unfinished states. */
export async function untilStatus(
  client: Client,
  taskId: string,
  ...wanted: Task['status'][]
): Promise<Task> {
  for await (const event of client.tasks.watch(taskId)) {
    if (event.type === 'status' && wanted.includes(event.data.status)) return event.data;
  }
  throw new Error(`task ${taskId} ended without being ${wanted.join(' or ')}`);
}

export async function untilEnd(client: Client, taskId: string): Promise<Task> {
  for await (const event of client.tasks.watch(taskId)) if (event.type === 'end') return event.data;
  throw new Error(`the stream of ${taskId} ended without an end`);
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

/** The first answer on a connection. */
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
