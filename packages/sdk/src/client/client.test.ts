import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { OpspawnError } from '@opspawn/agentkit/schema';
import { createClient } from './client.ts';

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

const taskId = '0197a3c2-7d1e-7b3a-9a55-3f0c2f6f8a01';

/** A server that gives these answers, one per request; it says what it was asked. */
async function serve(...answers: readonly Answer[]) {
  const asked: {
    method: string | undefined;
    url: string | undefined;
    headers: IncomingMessage['headers'];
  }[] = [];
  const server = createServer((request, response) => {
    asked.push({ method: request.method, url: request.url, headers: request.headers });
    const answer = answers[asked.length - 1];
    if (answer === undefined) response.destroy();
    else answer(response, request);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    asked,
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const json =
  (status: number, value: unknown, headers: Record<string, string> = {}): Answer =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
  };
const unavailable = json(503, { code: 'unavailable', detail: 'later' }, { 'retry-after': '0' });
const cutOff: Answer = (response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).write('{"items":');
  setImmediate(() => response.destroy());
};
const events =
  (text: string): Answer =>
  (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(text);
  };
const entry = (seq: number) => `event: entry\nid: ${seq}\ndata: {"seq":${seq}}\n\n`;
const end = 'event: end\nid: 3-end\ndata: {"status":"completed"}\n\n';

const isError = (code: string) => (error: unknown) => error instanceof OpspawnError && error.code === code;

test('a list is asked for with the query that its filters make', async () => {
  await using server = await serve(json(200, { items: [] }));
  const client = createClient({
    baseUrl: server.baseUrl,
    apiKey: 'secret',
    headers: { 'x-request-id': 'r-1' },
  });
  assert.deepEqual(await client.tasks.list({ status: ['failed', 'paused'], limit: 10, sessionId: 'a&b=ü' }), {
    items: [],
  });
  const [request] = server.asked;
  assert.equal(request?.method, 'GET');
  assert.equal(
    decodeURIComponent(request?.url ?? ''),
    '/v1/tasks?status=failed,paused&limit=10&sessionId=a&b=ü',
  );
  assert.equal(request?.headers.authorization, 'Bearer secret');
  assert.equal(request?.headers['x-request-id'], 'r-1');
});

test('a repeatable call is tried again while the server is unavailable or its answer is cut off', async () => {
  await using server = await serve(unavailable, cutOff, json(200, { items: [] }));
  const client = createClient({ baseUrl: server.baseUrl });
  assert.deepEqual(await client.tasks.list(), { items: [] });
  assert.equal(server.asked.length, 3);
});

test('a call that may not be repeated is sent once; with an idempotency key it is sent again', async () => {
  await using server = await serve(unavailable, unavailable, json(201, { id: taskId }), unavailable);
  const client = createClient({ baseUrl: server.baseUrl });
  await assert.rejects(client.tasks.create({ name: 'a' }), isError('unavailable'));
  assert.equal(server.asked.length, 1);
  assert.deepEqual(await client.tasks.create({ name: 'a', idempotencyKey: 'k' }), { id: taskId });
  assert.equal(server.asked.length, 3);
  await assert.rejects(client.tasks.retry(taskId), isError('unavailable'));
  assert.equal(server.asked.length, 4);
});

test('a problem is thrown with its code, its message and what is wrong where', async () => {
  const errors = [{ in: 'body', path: '/name', message: 'is missing' }];
  await using server = await serve(
    json(400, { code: 'invalid_argument', detail: '/name is missing', errors }, { 'x-request-id': 'r-2' }),
    (response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>'),
    json(404, { code: 'a_code_of_tomorrow', detail: 'gone' }),
  );
  const client = createClient({ baseUrl: server.baseUrl, maxRetries: 0 });
  await assert.rejects(client.tasks.create({ name: 'a' }), {
    code: 'invalid_argument',
    message: '/name is missing',
    details: { status: 400, requestId: 'r-2', errors },
  });
  await assert.rejects(client.tasks.list(), isError('unavailable'));
  await assert.rejects(client.tasks.get(taskId), isError('not_found'));
});

test('an id that is none is refused before anything is sent', async () => {
  await using server = await serve();
  const client = createClient({ baseUrl: server.baseUrl });
  for (const id of ['..', '', 'a/b', `${taskId}/cancel`]) {
    await assert.rejects(client.tasks.get(id), isError('invalid_argument'));
  }
  assert.equal(server.asked.length, 0);
});

test('a call ends with `timeout` after its time, and with the reason of its signal', async () => {
  await using server = await serve(
    () => undefined,
    () => undefined,
  );
  const client = createClient({ baseUrl: server.baseUrl });
  await assert.rejects(client.tasks.get(taskId, { timeoutMs: 20 }), isError('timeout'));
  const abort = new AbortController();
  const call = client.tasks.get(taskId, { signal: abort.signal });
  abort.abort(new Error('enough'));
  await assert.rejects(call, { message: 'enough' });
});

test('a server that is not there is unavailable', async () => {
  const server = await serve();
  await server[Symbol.asyncDispose]();
  const client = createClient({ baseUrl: server.baseUrl, maxRetries: 1 });
  await assert.rejects(client.tasks.list(), isError('unavailable'));
});

test('watching goes on where the connection broke, and gives every entry once', async () => {
  await using server = await serve(
    events(`${entry(1)}event: future\ndata: 1\n\n${entry(2)}event: entry\nid: 3\ndata: {"se`),
    unavailable,
    events(`: alive\n\n${entry(2)}${entry(3)}${end}`),
  );
  const client = createClient({ baseUrl: server.baseUrl });
  const seen: unknown[] = [];
  const onLost = ({ code }: OpspawnError) => seen.push(code);
  for await (const event of client.tasks.watch(taskId, { onLost }))
    seen.push(event.type === 'entry' ? event.data.seq : event.type);
  assert.deepEqual(seen, [1, 2, 'unavailable', 3, 'end']);
  assert.deepEqual(
    server.asked.map(({ headers }) => headers['last-event-id']),
    ['0', '2', '2'],
  );
});

test('watching ends with what the server refuses, and with the reason of its signal', async () => {
  await using server = await serve(json(404, { code: 'not_found', detail: 'no such task' }), (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(entry(1));
  });
  const client = createClient({ baseUrl: server.baseUrl });
  await assert.rejects(client.tasks.watch(taskId).next(), isError('not_found'));
  const abort = new AbortController();
  const watching = client.tasks.watch(taskId, { signal: abort.signal });
  assert.equal((await watching.next()).value?.type, 'entry');
  abort.abort(new Error('enough'));
  await assert.rejects(watching.next(), { message: 'enough' });
});

test('watching a server that stays away ends with unavailable', async () => {
  await using server = await serve();
  const client = createClient({ baseUrl: server.baseUrl });
  await assert.rejects(client.tasks.watch(taskId, { reconnectForMs: 0 }).next(), isError('unavailable'));
});

test('a request over the limit of its operation is refused before it is sent', async () => {
  await using server = await serve();
  const client = createClient({ baseUrl: server.baseUrl });
  for (const character of ['x', 'ü'])
    await assert.rejects(
      client.tasks.create({
        name: 'big',
        input: character.repeat((16 * 1024 * 1024) / new TextEncoder().encode(character).length),
      }),
      isError('payload_too_large'),
    );
  assert.deepEqual(server.asked, []);
});

test('what cannot be sent is an invalid argument, and no secret in it is repeated', async () => {
  await using server = await serve();
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const client = createClient({ baseUrl: server.baseUrl });
  const create = client.tasks.create as (body: unknown) => Promise<unknown>;
  for (const body of [circular, { name: 'a', input: 1n }, () => 1])
    await assert.rejects(create(body), isError('invalid_argument'));
  for (const timeoutMs of [Number.POSITIVE_INFINITY, Number.NaN, -1])
    await assert.rejects(client.tasks.get(taskId, { timeoutMs }), isError('invalid_argument'));
  const { host } = new URL(server.baseUrl);
  for (const options of [
    { baseUrl: 'nowhere' },
    { baseUrl: 'ftp://nowhere' },
    { baseUrl: `http://user:secret@${host}` },
    { baseUrl: server.baseUrl, apiKey: 'secret\nsecret' },
    { baseUrl: server.baseUrl, headers: { 'not a name': 'secret' } },
  ])
    await assert.rejects(createClient(options).tasks.list(), (error: Error) => {
      assert.ok(isError('invalid_argument')(error), String(error));
      return !error.message.includes('secret');
    });
  assert.deepEqual(server.asked, []);
});

test('a server that asks for more patience than a call has makes nobody wait', async () => {
  const later = json(503, { code: 'unavailable', detail: 'later' }, { 'retry-after': '9999999999' });
  await using server = await serve(...Array<Answer>(10).fill(later));
  const client = createClient({ baseUrl: server.baseUrl });
  await assert.rejects(client.tasks.list({}, { timeoutMs: 2_000 }), isError('unavailable'));
  assert.equal(server.asked.length, 1);
  await assert.rejects(client.tasks.watch(taskId, { reconnectForMs: 200 }).next(), isError('unavailable'));
  assert.ok(server.asked.length < 5, `${server.asked.length}`);
});
