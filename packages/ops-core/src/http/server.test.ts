import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { createClient, createInMemoryFetch, OpspawnError, problemSchema } from '@opspawn/sdk';
import { pino } from 'pino';
import { exchange, readAnswer, startServer } from '../../test/http.ts';

test('an unforeseen error shows its request id and nothing else, and is logged under it', async () => {
  const lines: string[] = [];
  const log = pino({ level: 'error' }, { write: (line) => lines.push(line) });
  await using server = await startServer({ log });
  const failures = [
    new TypeError('the secret is 42', { cause: new Error('deeper') }),
    new OpspawnError('internal', 'the secret is 42', { details: { secret: 42 } }),
  ];
  for (const [index, failure] of failures.entries()) {
    server.instead.list = () => Promise.reject(failure);
    const headers = { 'x-request-id': `request-${index}` };
    const answer = await fetch(`${server.url}/v1/tasks`, { headers });
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
  const { client, engine, instead } = server;
  instead.get = async (...args) => ({ ...(await engine.get(...args)), lockedBy: 'worker-1' });
  instead.list = async (...args) => ({ ...(await engine.list(...args)), lockedBy: 'worker-1' });
  const task = await client.tasks.create({ name: 'a' });
  for (const path of [`/v1/tasks/${task.id}`, '/v1/tasks']) {
    assert.doesNotMatch(await (await fetch(server.url + path)).text(), /lockedBy/);
  }
  await server.order(task.id, { end: 'done' });
  for await (const event of client.tasks.watch(task.id)) {
    assert.doesNotMatch(JSON.stringify(event), /lockedBy/);
  }
});

test('an error of ours shows its message, and unavailable says when to come back', async () => {
  await using server = await startServer();
  const failure = new OpspawnError('unavailable', 'The database cannot be reached', {
    cause: new Error('password wrong'),
    retryAfterMs: 2500,
    details: { since: 'now', count: 1n },
  });
  server.instead.ready = () => Promise.reject(failure);
  server.instead.list = () => Promise.reject(failure);
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
  const { promise, reject } = Promise.withResolvers<never>();
  server.instead.submit = () => promise;
  const creating = server.client.tasks.create({ name: 'a' });
  await assert.rejects(creating, { code: 'timeout', message: /20 ms/ });
  reject(new Error('too late'));
  assert.deepEqual(await server.client.service.health(), { status: 'ok' });
});

test('several requests on one connection are answered in order', async () => {
  await using server = await startServer();
  const request = (path: string, close = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${close}\r\n`;
  const requests = request('/health') + request('/nowhere') + request('/ready', 'Connection: close\r\n');
  const text = await exchange(server.port, requests);
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200']);
});

test('closing answers what was begun and refuses what comes after', async () => {
  await using server = await startServer();
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  server.instead.submit = async (...args) => {
    begun.resolve();
    await gate.promise;
    return server.engine.submit(...args);
  };
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  const chunks: string[] = [];
  socket.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk));
  const head = 'Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n';
  socket.write(`POST /v1/tasks HTTP/1.1\r\n${head}{"name":"a"}`);
  await begun.promise;
  const closed = server.app.close();
  await new Promise(setImmediate);
  socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
  gate.resolve();
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
  const seen = new Set<string>();
  for await (const { type } of client.tasks.watch(id)) {
    if (type === 'status' && seen.size === 0) await server.order(id, { end: 'done' });
    seen.add(type);
  }
  assert.deepEqual([...seen].sort(), ['end', 'entry', 'status']);
  await assert.rejects(client.tasks.get('0197a3c2-7d1e-7b3a-9a55-3f0c2f6f8a01'), { code: 'not_found' });
  await assert.rejects(client.tasks.signal(id, { name: 'late' }), { code: 'wrong_state' });
});
