import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { createClient, createInMemoryFetch, OpspawnError, problemSchema } from '@opspawn/sdk';
import { pino } from 'pino';
import { exchange, readAnswer, startServer } from '../../test/http.ts';

const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });

test('a new task is 201 with its place, the same request again 200, another one 409', async () => {
  await using server = await startServer();
  const request = { name: 'thumbnail', input: { file: 'ä.png' }, idempotencyKey: 'k' };
  const created = await post(`${server.url}/v1/tasks`, request);
  assert.equal(created.status, 201);
  const task = (await created.json()) as { id: string };
  const location = created.headers.get('location') ?? '';
  assert.deepEqual(await (await fetch(new URL(location, server.url))).json(), task);
  const again = await post(`${server.url}/v1/tasks`, request);
  assert.equal(again.status, 200);
  assert.deepEqual(await again.json(), task);
  const other = await post(`${server.url}/v1/tasks`, { ...request, input: 1 });
  assert.equal(other.status, 409);
  assert.equal(problemSchema.parse(await other.json()).code, 'idempotency_conflict');
});

test('the idempotency key of the header is that of the body', async () => {
  await using server = await startServer();
  const url = `${server.url}/v1/tasks`;
  const header = { 'idempotency-key': 'k' };
  const inHeader = await post(url, { name: 'a' }, header);
  assert.equal(inHeader.status, 201);
  const inBody = await post(url, { name: 'a', idempotencyKey: 'k' });
  assert.equal(inBody.status, 200);
  assert.equal((await post(url, { name: 'a', idempotencyKey: 'k' }, header)).status, 200);
  assert.deepEqual(await inBody.json(), await inHeader.json());
});

test('earlier clients find POST and GET at /api/v1/tasks, and their name of injectMcpProxy', async () => {
  await using server = await startServer();
  const created = await post(`${server.url}/api/v1/tasks`, {
    name: 'a',
    inject_mcp_proxy: true,
    idempotencyKey: 'k',
  });
  assert.equal(created.status, 201);
  const task = await created.json();
  const listed = await fetch(`${server.url}/api/v1/tasks?limit=1`);
  assert.deepEqual(await listed.json(), { items: [task] });
  assert.deepEqual(
    await server.client.tasks.create({ name: 'a', injectMcpProxy: true, idempotencyKey: 'k' }),
    task,
  );
});

test('a batch answers in order, and a conflict fails its task alone', async () => {
  await using server = await startServer();
  const first = await server.client.tasks.create({ name: 'a', idempotencyKey: 'k' });
  const { items } = await server.client.tasks.createMany({
    tasks: [{ name: 'b' }, { name: 'a', idempotencyKey: 'k' }, { name: 'c', idempotencyKey: 'k' }],
  });
  assert.deepEqual(
    items.map(({ outcome }) => outcome),
    ['created', 'existing', 'failed'],
  );
  const [, existing, failed] = items;
  assert.equal(existing?.outcome === 'existing' && existing.taskId, first.id);
  assert.equal(failed?.outcome === 'failed' && failed.error.code, 'idempotency_conflict');
});

test('10,000 tasks of 1 KB go into one batch', async () => {
  await using server = await startServer();
  const tasks = Array.from({ length: 10_000 }, (_, index) => ({
    name: 'a',
    input: { index, text: 'x'.repeat(1000) },
  }));
  const { items } = await server.client.tasks.createMany({ tasks });
  assert.equal(new Set(items.map((item) => item.outcome === 'created' && item.taskId)).size, 10_000);
});

test('pages of a list, put together, are the list', async () => {
  await using server = await startServer();
  const made = [];
  for (let index = 0; index < 5; index++)
    made.push(await server.client.tasks.create({ name: index < 4 ? 'a' : 'b' }));
  const seen = [];
  let cursor: string | undefined;
  do {
    const page = await server.client.tasks.list({
      name: 'a',
      status: ['pending', 'running'],
      limit: 3,
      cursor,
    });
    seen.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  assert.deepEqual(seen, made.slice(0, 4).reverse());
});

test('a task is cancelled, paused, resumed and retried, and wrong_state says when it cannot be', async () => {
  await using server = await startServer();
  const { tasks } = server.client;
  const wrongState = (error: unknown) => error instanceof OpspawnError && error.code === 'wrong_state';
  const { id } = await tasks.create({ name: 'a' });
  assert.equal((await tasks.pause(id)).status, 'paused');
  assert.equal((await tasks.resume(id)).status, 'pending');
  await assert.rejects(tasks.resume(id), wrongState);
  await assert.rejects(tasks.retry(id), wrongState);
  server.engine.append(id, 'task.failed');
  await assert.rejects(tasks.cancel(id, { reason: 'too late' }), wrongState);
  assert.equal((await tasks.retry(id)).status, 'pending');
  assert.equal((await tasks.cancel(id)).status, 'cancelled');
  assert.equal((await tasks.cancel(id, {})).status, 'cancelled');
});

test('signals, resolutions and decisions reach the task as they were said', async () => {
  await using server = await startServer();
  const { tasks } = server.client;
  const { id } = await tasks.create({ name: 'a' });
  await tasks.signal(id, {
    name: 'shipped',
    data: [1],
    id: '0197a3c2-7d1e-7b3a-9a55-3f0c2f6f8a01'.toUpperCase(),
  });
  await tasks.resolve(id, { step: 'a/b 1', action: 'retry' });
  await tasks.resolve(id, { step: 's', action: 'result', result: { ok: true } });
  await tasks.decide(id, { step: 's', action: 'approve', comment: 'fine' });
  await tasks.decide(id, { step: 's', action: 'deny' });
  await tasks.decide(id, { step: 's', action: 'answer', answer: 42 });
  assert.deepEqual(server.engine.received, [
    { name: 'shipped', data: [1], id: '0197a3c2-7d1e-7b3a-9a55-3f0c2f6f8a01' },
    { step: 'a/b 1', action: 'retry' },
    { step: 's', action: 'result', result: { ok: true } },
    { step: 's', approved: true, comment: 'fine' },
    { step: 's', approved: false },
    { step: 's', approved: true, answer: 42 },
  ]);
});

test('a journal is read in pages', async () => {
  await using server = await startServer();
  const { id } = await server.client.tasks.create({ name: 'a' });
  for (let count = 0; count < 5; count++) server.engine.append(id, 'log', count);
  const first = await server.client.tasks.journal(id, { limit: 3 });
  const second = await server.client.tasks.journal(id, { limit: 3, after: first.nextAfter });
  assert.deepEqual(
    [...first.items, ...second.items].map(({ data }) => data),
    [0, 1, 2, 3, 4],
  );
  assert.equal(second.nextAfter, undefined);
});

test('an unforeseen error shows its request id and nothing else, and is logged under it', async () => {
  const lines: string[] = [];
  const log = pino({ level: 'error' }, { write: (line) => lines.push(line) });
  await using server = await startServer({ log });
  const failures = [
    new TypeError('the secret is 42', { cause: new Error('deeper') }),
    new OpspawnError('internal', 'the secret is 42', { details: { secret: 42 } }),
  ];
  for (const [index, failure] of failures.entries()) {
    server.engine.failure = failure;
    const answer = await fetch(`${server.url}/v1/tasks`, { headers: { 'x-request-id': `request-${index}` } });
    assert.equal(answer.status, 500);
    const text = await answer.text();
    assert.equal(problemSchema.parse(JSON.parse(text)).requestId, `request-${index}`);
    assert.doesNotMatch(text, /secret|deeper|TypeError/);
    assert.equal(lines.length, index + 1);
    assert.match(lines[index] ?? '', new RegExp(`request-${index}`));
    assert.match(lines[index] ?? '', /the secret is 42/);
  }
});

test('a field that the schemas do not know never leaves the server', async () => {
  await using server = await startServer();
  const task = await server.client.tasks.create({ name: 'a' });
  server.engine.touch(task.id, { lockedBy: 'worker-1' });
  for (const path of [`/v1/tasks/${task.id}`, '/v1/tasks']) {
    assert.doesNotMatch(await (await fetch(server.url + path)).text(), /lockedBy/);
  }
  server.engine.append(task.id, 'task.completed');
  for await (const event of server.client.tasks.watch(task.id))
    assert.doesNotMatch(JSON.stringify(event), /lockedBy/);
});

test('an error of ours shows its details, and unavailable says when to come back', async () => {
  await using server = await startServer();
  server.engine.failure = new OpspawnError('unavailable', 'The database cannot be reached', {
    cause: new Error('password wrong'),
    retryAfterMs: 2500,
    details: { since: 'now', count: 1n },
  });
  for (const path of ['/ready', '/v1/tasks']) {
    const answer = await fetch(server.url + path);
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '3']);
    const text = await answer.text();
    assert.equal(problemSchema.parse(JSON.parse(text)).detail, 'The database cannot be reached');
    assert.doesNotMatch(text, /password/);
  }
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
});

test('a request id that cannot stand in a log is replaced', async () => {
  await using server = await startServer();
  for (const given of ['a b', 'x'.repeat(129), '{}']) {
    const answer = await fetch(`${server.url}/health`, { headers: { 'x-request-id': given } });
    assert.match(answer.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
  }
});

test('HEAD is answered like GET without a body', async () => {
  await using server = await startServer();
  const answer = await fetch(`${server.url}/v1/tasks`, { method: 'HEAD' });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8');
  assert.equal(await answer.text(), '');
});

test('an answer that takes too long is a timeout, and its late result harms nothing', async () => {
  await using server = await startServer({ handlerTimeoutMs: 20 });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.engine.gate = promise;
  const answer = await post(`${server.url}/v1/tasks`, { name: 'a' });
  assert.equal(answer.status, 504);
  assert.equal(problemSchema.parse(await answer.json()).code, 'timeout');
  resolve();
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
});

test('several requests on one connection are answered in order', async () => {
  await using server = await startServer();
  const request = (path: string, close = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${close}\r\n`;
  const text = await exchange(
    server.port,
    request('/health') + request('/nowhere') + request('/ready', 'Connection: close\r\n'),
  );
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200']);
});

test('closing answers what was begun and refuses what comes after', async () => {
  const server = await startServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.engine.gate = promise;
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  const chunks: string[] = [];
  socket.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk));
  const body = '{"name":"a"}';
  const head = 'Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n';
  socket.write(`POST /v1/tasks HTTP/1.1\r\n${head}${body}`);
  while (server.engine.waiting === 0) await new Promise(setImmediate);
  const closed = server.app.close();
  await new Promise(setImmediate);
  socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
  resolve();
  await Promise.all([closed, once(socket, 'close')]);
  const text = chunks.join('');
  assert.match(text, /^HTTP\/1\.1 201 /);
  const refused = text.slice(text.indexOf('HTTP/1.1', 1));
  if (refused.startsWith('HTTP/1.1')) assert.equal(readAnswer(refused).status, 503);
});

test('the client works without a port', async () => {
  await using server = await startServer();
  const client = createClient({ baseUrl: 'http://localhost', fetch: createInMemoryFetch(server.app) });
  const { id } = await client.tasks.create({ name: 'a', input: 'ü' });
  const seen = [];
  for await (const { type } of client.tasks.watch(id)) {
    seen.push(type);
    if (type === 'status' && seen.length === 1) server.engine.append(id, 'task.completed');
  }
  assert.deepEqual(seen, ['status', 'entry', 'status', 'end']);
  await assert.rejects(client.tasks.get('0197a3c2-7d1e-7b3a-9a55-3f0c2f6f8a01'), { code: 'not_found' });
  await client.tasks.signal(id, { name: 'late' }).catch((error: unknown) => {
    assert.equal(error instanceof OpspawnError && error.code, 'wrong_state');
  });
});
