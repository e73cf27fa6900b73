import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpspawnError, problemSchema, type Task } from '@opspawn/sdk';
import { startServer, untilEnd, untilStatus } from '../../test/http.ts';

const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });

/** Nothing happens to a task that is due then. */
const runAt = '2100-01-01T00:00:00.000Z';

const wrongState = (error: unknown) => error instanceof OpspawnError && error.code === 'wrong_state';

test('a new task is 201 with its place, the same request again 200, another one 409', async () => {
  await using server = await startServer();
  const request = { name: 'a', input: { file: 'ä.png' }, idempotencyKey: 'k', runAt };
  const created = await post(`${server.url}/v1/tasks`, request);
  assert.equal(created.status, 201);
  const task = (await created.json()) as Task;
  assert.deepEqual([task.status, task.input, task.dueAt], ['pending', request.input, runAt]);
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
  const inHeader = await post(url, { name: 'a', runAt }, header);
  assert.equal(inHeader.status, 201);
  const inBody = await post(url, { name: 'a', idempotencyKey: 'k', runAt });
  assert.equal(inBody.status, 200);
  assert.equal((await post(url, { name: 'a', idempotencyKey: 'k', runAt }, header)).status, 200);
  assert.deepEqual(await inBody.json(), await inHeader.json());
});

test('earlier clients find POST and GET at /api/v1/tasks, and their name of injectMcpProxy', async () => {
  await using server = await startServer();
  const request = { name: 'a', idempotencyKey: 'k', runAt };
  const created = await post(`${server.url}/api/v1/tasks`, { ...request, inject_mcp_proxy: true });
  assert.equal(created.status, 201);
  const task = await created.json();
  const listed = await fetch(`${server.url}/api/v1/tasks?limit=1`);
  assert.deepEqual(await listed.json(), { items: [task] });
  assert.deepEqual(await server.client.tasks.create({ ...request, injectMcpProxy: true }), task);
});

test('an empty object is as good as no body where none is taken', async () => {
  await using server = await startServer();
  const { id } = await server.client.tasks.create({ name: 'a', runAt });
  const paused = await post(`${server.url}/v1/tasks/${id}/pause`, {});
  assert.deepEqual([paused.status, ((await paused.json()) as Task).status], [200, 'paused']);
});

test('a batch answers in order, and a conflict fails its task alone', async () => {
  await using server = await startServer();
  const first = await server.client.tasks.create({ name: 'a', idempotencyKey: 'k', runAt });
  const { items } = await server.client.tasks.createMany({
    tasks: [{ name: 'b' }, { name: 'a', idempotencyKey: 'k', runAt }, { name: 'b', idempotencyKey: 'k' }],
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
  const input = 'x'.repeat(1000);
  const tasks = Array.from({ length: 10_000 }, () => ({ name: 'a', input, runAt }));
  const { items } = await server.client.tasks.createMany({ tasks });
  assert.equal(new Set(items.map((item) => item.outcome === 'created' && item.taskId)).size, 10_000);
});

test('pages of a list, put together, are the list', async () => {
  await using server = await startServer();
  const made: Task[] = [];
  for (const name of ['a', 'a', 'b', 'a', 'a'])
    made.push(await server.client.tasks.create({ name, sessionId: 'ü&1', runAt }));
  const seen: Task[] = [];
  const filter = { name: 'a', status: ['pending', 'failed'] as const, sessionId: 'ü&1' };
  let cursor: string | undefined;
  do {
    const page = await server.client.tasks.list({ ...filter, status: [...filter.status], limit: 3, cursor });
    seen.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  assert.deepEqual(seen, made.filter(({ name }) => name === 'a').reverse());
  const since = made[1]?.createdAt;
  const { items } = await server.client.tasks.list({ createdAfter: since, createdBefore: since });
  assert.deepEqual(items, []);
});

test('a task is paused, resumed, retried and cancelled, and wrong_state says when it cannot be', async () => {
  await using server = await startServer();
  const { tasks } = server.client;
  const { id } = await tasks.create({ name: 'a' });
  await untilStatus(server.client, id, 'waiting');
  assert.equal((await tasks.pause(id)).status, 'paused');
  assert.equal((await tasks.pause(id)).status, 'paused');
  assert.notEqual((await tasks.resume(id)).status, 'paused');
  await assert.rejects(tasks.retry(id), wrongState);
  await server.order(id, { fail: 'as told' });
  assert.equal((await untilEnd(server.client, id)).error?.message, 'as told');
  await assert.rejects(tasks.cancel(id, { reason: 'too late' }), wrongState);
  await assert.rejects(tasks.resume(id), wrongState);
  assert.notEqual((await tasks.retry(id)).status, 'failed');
  const other = await tasks.create({ name: 'b' });
  await tasks.cancel(other.id, { reason: 'enough' });
  assert.equal((await untilEnd(server.client, other.id)).status, 'cancelled');
  assert.equal((await tasks.cancel(other.id)).status, 'cancelled');
});

test('signals and decisions reach the task as they were said', async () => {
  await using server = await startServer();
  const { tasks } = server.client;
  const { id } = await tasks.create({ name: 'a' });
  await tasks.signal(id, {
    name: 'order',
    data: { end: 'ä\0' },
    id: '0197A3C2-7D1E-7B3A-9A55-3F0C2F6F8A01',
  });
  assert.equal((await untilEnd(server.client, id)).output, 'ä\0');
  for (const action of ['approve', 'deny'] as const) {
    const asking = await tasks.create({ name: 'ask' });
    const { waits } = await untilStatus(server.client, asking.id, 'waiting');
    await tasks.decide(asking.id, { step: waits[0]?.step ?? '', action, comment: 'seen' });
    const { output } = await untilEnd(server.client, asking.id);
    assert.deepEqual(output, { approved: action === 'approve', by: 'local', comment: 'seen' });
  }
});

test('resolutions and answers reach the engine as they were said', async () => {
  await using server = await startServer();
  const { tasks } = server.client;
  const { id } = await tasks.create({ name: 'a', runAt });
  const said: unknown[] = [];
  const hear: typeof server.instead.resolve = async (principal, taskId, step, word) => {
    said.push([step, word]);
    return server.engine.get(principal, taskId);
  };
  Object.assign(server.instead, { resolve: hear, decide: hear });
  await tasks.resolve(id, { step: 'a/b #1', action: 'retry' });
  await tasks.resolve(id, { step: 's', action: 'result', result: { ok: true } });
  await tasks.resolve(id, { step: 's', action: 'fail', message: 'no' });
  await tasks.decide(id, { step: 's', action: 'answer', answer: 42 });
  assert.deepEqual(said, [
    ['a/b #1', { action: 'retry' }],
    ['s', { action: 'result', result: { ok: true } }],
    ['s', { action: 'fail', message: 'no' }],
    ['s', { approved: true, answer: 42 }],
  ]);
});

test('a journal is read in pages', async () => {
  await using server = await startServer();
  const { id } = await server.client.tasks.create({ name: 'a' });
  await server.order(id, { log: 'said', times: 5 });
  await server.order(id, { end: 'done' });
  const { entries } = await untilEnd(server.client, id);
  const { items: all, nextAfter } = await server.client.tasks.journal(id);
  assert.equal(nextAfter, undefined);
  assert.deepEqual(
    all.map(({ seq }) => seq),
    Array.from({ length: entries }, (_, index) => index + 1),
  );
  const first = await server.client.tasks.journal(id, { limit: entries - 2 });
  const second = await server.client.tasks.journal(id, { limit: 2, after: first.nextAfter });
  assert.deepEqual([...first.items, ...second.items], all);
  assert.equal(second.nextAfter, undefined);
  const beyond = await server.client.tasks.journal(id, { after: Number.MAX_SAFE_INTEGER });
  assert.deepEqual(beyond.items, []);
});

test('definitions are those that the worker has', async () => {
  await using server = await startServer();
  const { items } = await server.client.definitions.list();
  assert.deepEqual(items.map(({ kind, name }) => `${kind} ${name}`).sort(), [
    'function a',
    'function b',
    'function folder-report',
    'function thumbnail',
    'workflow ask',
  ]);
});
