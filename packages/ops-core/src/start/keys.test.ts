import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createClient } from '@opspawn/sdk';
import { openOpspawn, temporaryFolder, testSettings } from '../../test/opspawn.ts';
import { createApiKey } from '../auth/api-key.ts';
import type { Settings } from '../config.ts';
import { KeyGate } from '../http/gate.ts';
import { defineFunction } from '../tasks/definitions/definition.ts';
import { addApiKey, listApiKeys, removeApiKey } from './database.ts';
import { openStore } from './node.ts';
import { type RunningServer, type ServerStartOptions, startServer } from './start.ts';

/** Nobody else reaches it either, but it is none of the names that are believed to be loopback. */
const otherHost = '::ffff:127.0.0.1';

/** Unlike fetch it sends the `Host` that it is told. */
async function statusOf(url: string, headers: Record<string, string>): Promise<number | undefined> {
  const sent = request(url, { headers }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

interface StartOptions extends Partial<ServerStartOptions> {
  host?: string;
  allowedHosts?: readonly string[];
  database?: Settings['database'];
}

async function start(
  t: TestContext,
  folder: string,
  { host = '127.0.0.1', allowedHosts = [], database, ...options }: StartOptions = {},
): Promise<RunningServer & { at: string }> {
  const settings = testSettings(folder, { host, allowedHosts, ...(database && { database }) });
  const running = await startServer({ ...options, settings });
  t.after(() => running[Symbol.asyncDispose]());
  return { ...running, at: `http://127.0.0.1:${new URL(running.url).port}` };
}

describe('a server that others reach', () => {
  it('makes the first key, once, and lets in nobody without one', async (t) => {
    const folder = temporaryFolder(t);
    const { at, firstKey } = await start(t, folder, { host: otherHost });
    assert.equal((await start(t, folder, { host: otherHost })).firstKey, undefined);
    const refused = await fetch(`${at}/v1/tasks`);
    assert.equal(refused.status, 401);
    assert.equal(refused.headers.get('www-authenticate'), 'Bearer');
    assert.equal(((await refused.json()) as { code: string }).code, 'unauthenticated');
    for (const apiKey of [createApiKey().text, 'x', `${firstKey}0`]) {
      const client = createClient({ baseUrl: at, apiKey });
      await assert.rejects(client.tasks.list(), { code: 'unauthenticated' });
    }
    const client = createClient({ baseUrl: at, apiKey: firstKey ?? assert.fail() });
    assert.deepEqual((await client.tasks.list()).items, []);
    assert.equal((await fetch(`${at}/health`)).status, 200);
  });

  it('answers before it reads what strangers send', async (t) => {
    const { at } = await start(t, temporaryFolder(t), { host: otherHost });
    const body = JSON.stringify({ name: 'x', input: 'x'.repeat(8 * 1024 * 1024) });
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${at}/v1/tasks`, { method: 'POST', headers, body }).catch(() => undefined);
    assert.ok(response === undefined || response.status === 401);
  });

  it('answers to addresses, plain names and those that it is told, and to no page of another site', async (t) => {
    const allowedHosts = ['agents.example.com', '.trusted.example'];
    const { at, firstKey } = await start(t, temporaryFolder(t), { host: otherHost, allowedHosts });
    const status = (headers: Record<string, string>) =>
      statusOf(`${at}/v1/tasks`, { authorization: `Bearer ${firstKey}`, ...headers });
    const known = [
      '10.0.0.7:7070',
      '[fd00::7]:7070',
      'opspawn:7070',
      'opspawn.team.svc.cluster.local',
      hostname(),
    ];
    for (const host of [...known, 'Agents.Example.com:443', 'eu.trusted.example'])
      assert.equal(await status({ host }), 200, host);
    const foreign = [
      'evil.example',
      'example.com',
      'xagents.example.com',
      'trusted.example',
      '10.0.0.7.evil.example',
    ];
    for (const host of foreign) assert.equal(await status({ host }), 403, host);
    const own = new URL(at).host;
    assert.equal(await status({}), 200);
    for (const origin of [`http://${own}`, `https://${own}`]) assert.equal(await status({ origin }), 200);
    assert.equal(await status({ origin: 'https://evil.example' }), 403);
  });
});

describe('a server on loopback', () => {
  it('needs no key until there is one', async (t) => {
    const folder = temporaryFolder(t);
    assert.equal((await fetch(`${(await start(t, folder)).at}/v1/tasks`)).status, 200);
    const { firstKey } = await start(t, folder, { host: otherHost });
    const { at } = await start(t, folder);
    assert.equal((await fetch(`${at}/v1/tasks`)).status, 401);
    const client = createClient({ baseUrl: at, apiKey: firstKey ?? assert.fail() });
    assert.deepEqual((await client.tasks.list()).items, []);
  });

  it('lets nobody in without a key a second after the first one was made', async (t) => {
    const database = { kind: 'sqlite', path: join(temporaryFolder(t), 'opspawn.db') } as const;
    await using store = await openStore(database);
    const gate = new KeyGate(store, { isLoopback: true });
    let now = Math.ceil(performance.now()); // a fraction would not grow by exactly a second
    t.mock.method(performance, 'now', () => now);
    assert.equal((await gate.authenticate(undefined)).namespace, 'default');
    await addApiKey(database, 'ci');
    now += 1_000;
    await assert.rejects(gate.authenticate(undefined), { code: 'unauthenticated' });
  });

  it('refuses a key that was taken away, and takes the one that came in its place', async (t) => {
    const folder = temporaryFolder(t);
    const database = { kind: 'sqlite', path: join(folder, 'opspawn.db') } as const;
    const { at } = await start(t, folder, { database });
    const old = await addApiKey(database, 'ci');
    const [{ id, name } = assert.fail()] = await listApiKeys(database);
    const apiKey = await addApiKey(database, 'ci');
    assert.deepEqual([name, old.includes(id)], ['ci', true]);
    await removeApiKey(database, id);
    await assert.rejects(removeApiKey(database, id), { code: 'not_found' });
    await assert.rejects(createClient({ baseUrl: at, apiKey: old }).tasks.list(), {
      code: 'unauthenticated',
    });
    assert.deepEqual((await createClient({ baseUrl: at, apiKey }).tasks.list()).items, []);
  });

  it('gives the holder of a key its namespace alone, in which it can run what the workers of all have', async (t) => {
    const folder = temporaryFolder(t);
    const database = { kind: 'sqlite', path: join(folder, 'opspawn.db') } as const;
    const whoAmI = defineFunction({ name: 'who', run: (_ctx, input) => ({ hello: input ?? null }) });
    await openOpspawn(t, { functions: [whoAmI] }, { folder });
    const { at } = await start(t, folder, { database });
    const keys = await Promise.all(['a', 'b'].map((name) => addApiKey(database, name, `team-${name}`)));
    const [a = assert.fail(), b] = keys.map((apiKey) => createClient({ baseUrl: at, apiKey }));
    const tasks = await Promise.all(
      [a, b ?? assert.fail()].map((client, input) =>
        client.tasks.create({ name: 'who', input, idempotencyKey: 'same' }),
      ),
    );
    const [first = assert.fail(), second = assert.fail()] = tasks;
    assert.deepEqual(
      tasks.map(({ namespace }) => namespace),
      ['team-a', 'team-b'],
    );
    for await (const event of a.tasks.watch(first.id, { signal: t.signal })) if (event.type === 'end') break;
    assert.deepEqual((await a.tasks.get(first.id)).output, { hello: 0 });
    await assert.rejects(a.tasks.get(second.id), { code: 'not_found' });
    assert.deepEqual(
      (await a.tasks.list()).items.map(({ id }) => id),
      [first.id],
    );
    await assert.rejects(addApiKey(database, 'c', 'no such/name'), { code: 'invalid_argument' });
    await assert.rejects(addApiKey(database, ' \u200b'), { code: 'invalid_argument' });
  });

  it('that one process started for itself takes only its key', async (t) => {
    const { at, firstKey } = await start(t, temporaryFolder(t), { ownKey: 'own' });
    assert.equal(firstKey, undefined);
    assert.equal((await fetch(`${at}/v1/tasks`)).status, 401);
    assert.equal((await createClient({ baseUrl: at, apiKey: 'own' }).tasks.list()).items.length, 0);
  });
});
