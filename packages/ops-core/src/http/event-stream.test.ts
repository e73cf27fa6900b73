import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { exchange, readAnswer, startServer, type TestServer } from '../../test/http.ts';

/** Reads from the socket until the text has `wanted`, and gives all that came. */
async function readUntil(socket: Socket, wanted: string): Promise<string> {
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (text.includes(wanted)) break;
  }
  return text;
}

async function openStream(server: TestServer, id: string, ...headers: readonly string[]): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  const lines = [`GET /v1/tasks/${id}/events HTTP/1.1`, 'Host: localhost', ...headers];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return socket;
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1));
}

const getOnce = async (server: TestServer, id: string, query = '', ...headers: readonly string[]) => {
  const lines = [`GET /v1/tasks/${id}/events${query} HTTP/1.1`, 'Host: localhost', ...headers];
  return readAnswer(await exchange(server.port, `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`));
};

/** The ids and names of the events, in order. */
const eventsOf = (text: string) =>
  [...text.matchAll(/event: (\w+)\n(?:id: (\S+)\n)?/g)].map(([, name, id]) =>
    id === undefined ? name : `${name} ${id}`,
  );

test('a stream has every entry with its seq, live events without an id, and ends with the task', async () => {
  await using server = await startServer();
  const { id } = await server.client.tasks.create({ name: 'a' });
  server.engine.append(id, 'log', 'line one\nline two');
  const socket = await openStream(server, id);
  const head = await readUntil(socket, 'event: entry');
  assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(head, /content-type: text\/event-stream/);
  assert.match(head, /cache-control: no-store/);
  server.engine.emit(id, { type: 'text.delta', turn: 1, text: '\u2028\n' });
  server.engine.append(id, 'task.completed', { ok: true });
  const text = head + (await readUntil(socket, '\r\n0\r\n\r\n'));
  assert.deepEqual(eventsOf(text), ['status', 'entry 1', 'live', 'entry 2', 'status', 'end 2-end']);
  socket.destroy();
});

test('a stream goes on after Last-Event-ID, or after `after` when there is none', async () => {
  await using server = await startServer();
  const { id } = await server.client.tasks.create({ name: 'a' });
  for (let count = 0; count < 3; count++) server.engine.append(id, 'log', count);
  server.engine.append(id, 'task.completed');
  const rest = ['entry 3', 'entry 4', 'end 4-end'];
  assert.deepEqual(eventsOf((await getOnce(server, id, '?after=2')).body), rest);
  assert.deepEqual(eventsOf((await getOnce(server, id, '?after=0', 'Last-Event-ID: 2')).body), rest);
  assert.deepEqual(eventsOf((await getOnce(server, id, '?after=2', 'Last-Event-ID:')).body), rest);
});

test('after the last entry there is `end` at once, and after `end` there is 204', async () => {
  await using server = await startServer();
  const { id } = await server.client.tasks.create({ name: 'a' });
  server.engine.append(id, 'task.failed');
  assert.deepEqual(eventsOf((await getOnce(server, id, '', 'Last-Event-ID: 1')).body), ['end 1-end']);
  assert.deepEqual(eventsOf((await getOnce(server, id, '', 'Last-Event-ID: 99')).body), ['end 1-end']);
  assert.equal((await getOnce(server, id, '', 'Last-Event-ID: 1-end')).status, 204);
  await server.client.tasks.retry(id);
  server.engine.append(id, 'task.completed');
  const { body } = await getOnce(server, id, '', 'Last-Event-ID: 1-end');
  assert.deepEqual(eventsOf(body), ['entry 2', 'end 2-end']);
});

test('a quiet stream says that it lives', async () => {
  await using server = await startServer({ heartbeatMs: 5 });
  const { id } = await server.client.tasks.create({ name: 'a' });
  const socket = await openStream(server, id);
  await readUntil(socket, ': alive\n\n');
  assert.match(await readUntil(socket, ': alive\n\n'), /: alive\n\n/);
  socket.destroy();
});

test('a client that goes away ends what was followed for it', async () => {
  await using server = await startServer();
  const { id } = await server.client.tasks.create({ name: 'a' });
  const socket = await openStream(server, id);
  await readUntil(socket, 'event: status');
  await until(() => server.engine.followers === 1);
  socket.destroy();
  await until(() => server.engine.followers === 0);
});

test('for a client that reads nothing, nothing is read ahead', async () => {
  await using server = await startServer();
  const { id } = await server.client.tasks.create({ name: 'a' });
  const socket = await openStream(server, id);
  await readUntil(socket, 'event: status');
  socket.pause();
  const kilobytes = 'x'.repeat(64 * 1024);
  const total = 1000;
  for (let count = 0; count < total; count++) server.engine.append(id, 'log', kilobytes);
  await until(() => server.engine.handedOut > 0);
  let before: number;
  do {
    before = server.engine.handedOut;
    await new Promise((resolve) => setTimeout(resolve, 50));
  } while (server.engine.handedOut > before);
  assert.ok(before < total, `${before} of ${2 * total} events were taken from the engine`);
  socket.destroy();
  await until(() => server.engine.followers === 0);
});

test('a client that takes nothing for too long is let go', async () => {
  await using server = await startServer({ idleTimeoutMs: 100, heartbeatMs: 20 });
  const { id } = await server.client.tasks.create({ name: 'a' });
  const socket = await openStream(server, id);
  await readUntil(socket, 'event: status');
  socket.pause();
  for (let count = 0; count < 500; count++) server.engine.append(id, 'log', 'x'.repeat(64 * 1024));
  await until(() => server.engine.followers === 0);
  socket.destroy();
});

test('a stream whose engine fails is cut, so that the client connects again', async () => {
  await using server = await startServer();
  const { id } = await server.client.tasks.create({ name: 'a' });
  server.engine.append(id, 'log');
  const abort = new AbortController();
  const watching = server.client.tasks.watch(id, { signal: abort.signal });
  assert.equal((await watching.next()).value?.type, 'status');
  assert.equal((await watching.next()).value?.type, 'entry');
  await until(() => server.engine.followers === 1);
  server.engine.breakFollowers(id);
  await until(() => server.engine.followers === 0);
  server.engine.append(id, 'task.completed');
  const seen = [];
  for await (const event of watching) seen.push(event.type === 'entry' ? event.data.seq : event.type);
  assert.deepEqual(seen, [2, 'end']);
});

test('closing the server ends its streams without an `end`', async () => {
  const server = await startServer();
  const { id } = await server.client.tasks.create({ name: 'a' });
  const socket = await openStream(server, id);
  await readUntil(socket, 'event: status');
  const rest = readUntil(socket, 'never');
  await server.app.close();
  assert.equal(await rest, '0\r\n\r\n');
  assert.equal(server.engine.followers, 0);
});
