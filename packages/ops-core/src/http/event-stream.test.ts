import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import {
  exchange,
  type Order,
  readAnswer,
  startServer,
  type TestServer,
  untilEnd,
  untilStatus,
} from '../../test/http.ts';

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

/** The names and ids of the events, in order. */
const eventsOf = (text: string) =>
  [...text.matchAll(/event: (\w+)\n(?:id: (\S+)\n)?/g)].map(([, name, id]) =>
    id === undefined ? name : `${name} ${id}`,
  );

/** A finished task, and the events that a stream of it ends with, from `seq` on. */
async function makeFinished(server: TestServer, order: Order = { end: 'done' }) {
  const { id } = await server.client.tasks.create({ name: 'a' });
  await server.order(id, { log: 'line one\nline two', times: 3 });
  await server.order(id, order);
  const { entries } = await untilEnd(server.client, id);
  const after = (seq: number) => [
    ...Array.from({ length: entries - seq }, (_, index) => `entry ${seq + index + 1}`),
    `end ${entries}-end`,
  ];
  return { id, entries, after };
}

/** A task with much to tell. */
async function makeTalkative(server: TestServer, times: number): Promise<string> {
  const { id } = await server.client.tasks.create({ name: 'a' });
  await untilStatus(server.client, id, 'waiting');
  await server.order(id, { log: 'x'.repeat(64 * 1024), times });
  return id;
}

test('a stream has every entry with its seq, live events without an id, and ends with the task', async () => {
  await using server = await startServer();
  server.followed.live = [{ type: 'text.delta', turn: 1, text: '\u2028\n' }];
  const { id } = await server.client.tasks.create({ name: 'a' });
  const socket = await openStream(server, id);
  const head = await readUntil(socket, '"status":"waiting"');
  assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(head, /content-type: text\/event-stream/);
  assert.match(head, /cache-control: no-store/);
  await server.order(id, { end: 'line one\nline two' });
  const events = eventsOf(head + (await readUntil(socket, '\r\n0\r\n\r\n')));
  const { entries } = await server.client.tasks.get(id);
  const expected = Array.from({ length: entries }, (_, index) => `entry ${index + 1}`);
  assert.deepEqual(
    events.filter((event) => event?.startsWith('entry')),
    expected,
  );
  assert.deepEqual([events[0], events.at(-1)], ['live', `end ${entries}-end`]);
  assert.ok(events.includes('status'));
  socket.destroy();
});

test('a stream goes on after Last-Event-ID, or after `after` when there is none', async () => {
  await using server = await startServer();
  const { id, after } = await makeFinished(server);
  assert.deepEqual(eventsOf((await getOnce(server, id)).body), after(0));
  assert.deepEqual(eventsOf((await getOnce(server, id, '?after=2')).body), after(2));
  assert.deepEqual(eventsOf((await getOnce(server, id, '?after=0', 'Last-Event-ID: 2')).body), after(2));
  assert.deepEqual(eventsOf((await getOnce(server, id, '?after=2', 'Last-Event-ID:')).body), after(2));
});

test('after the last entry there is `end` at once, and after `end` there is 204', async () => {
  await using server = await startServer();
  const { id, entries } = await makeFinished(server, { fail: 'as told' });
  const end = [`end ${entries}-end`];
  assert.deepEqual(eventsOf((await getOnce(server, id, '', `Last-Event-ID: ${entries}`)).body), end);
  assert.deepEqual(eventsOf((await getOnce(server, id, '', 'Last-Event-ID: 9999')).body), end);
  assert.equal((await getOnce(server, id, '', `Last-Event-ID: ${entries}-end`)).status, 204);
  await server.client.tasks.retry(id);
  await untilEnd(server.client, id);
  const { body } = await getOnce(server, id, '', `Last-Event-ID: ${entries}-end`);
  assert.equal(
    eventsOf(body).find((event) => event !== 'status'),
    `entry ${entries + 1}`,
  );
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
  assert.equal(server.followed.open, 1);
  socket.destroy();
  await until(() => server.followed.open === 0);
});

test('for a client that reads nothing, nothing is read ahead', async () => {
  await using server = await startServer();
  const total = 500;
  const id = await makeTalkative(server, total);
  const socket = await openStream(server, id);
  await readUntil(socket, 'event: entry');
  socket.pause();
  let before: number;
  do {
    before = server.followed.events;
    await new Promise((resolve) => setTimeout(resolve, 50));
  } while (server.followed.events > before);
  assert.ok(before < total, `${before} of more than ${total} events were taken from the engine`);
  socket.destroy();
  await until(() => server.followed.open === 0);
});

test('a client that takes nothing for too long is let go', async () => {
  await using server = await startServer({ idleTimeoutMs: 100, heartbeatMs: 20 });
  const id = await makeTalkative(server, 500);
  const socket = await openStream(server, id);
  await readUntil(socket, 'event: entry');
  socket.pause();
  await until(() => server.followed.open === 0);
  socket.destroy();
});

test('a stream whose engine fails is cut, so that the client connects again', async () => {
  await using server = await startServer();
  const { id } = await server.client.tasks.create({ name: 'a' });
  const seqs: number[] = [];
  let isBroken = false;
  for await (const event of server.client.tasks.watch(id)) {
    if (event.type === 'entry') seqs.push(event.data.seq);
    if (event.type === 'status' && event.data.status === 'waiting' && !isBroken) {
      isBroken = true;
      server.followed.breaking.abort();
      await until(() => server.followed.open === 0);
      server.followed.breaking = new AbortController();
      await server.order(id, { end: 'done' });
    }
  }
  assert.ok(isBroken);
  const { entries } = await server.client.tasks.get(id);
  assert.deepEqual(
    seqs,
    Array.from({ length: entries }, (_, index) => index + 1),
  );
});

test('closing the server ends its streams without an `end`', async () => {
  await using server = await startServer();
  const { id } = await server.client.tasks.create({ name: 'a' });
  const socket = await openStream(server, id);
  await readUntil(socket, '"status":"waiting"');
  const rest = readUntil(socket, 'never');
  await server.app.close();
  assert.equal(await rest, '0\r\n\r\n');
  assert.equal(server.followed.open, 0);
});
