import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createClient } from '@opspawn/sdk';
import { temporaryFolder, testSettings } from '../../test/opspawn.ts';
import { createApiKey } from '../auth/api-key.ts';
import { type RunningServer, type ServerStartOptions, startServer } from './start.ts';

/** Nobody else reaches it either, but it is none of the names that are believed to be loopback. */
const otherHost = '::ffff:127.0.0.1';

async function start(
  t: TestContext,
  folder: string,
  { host = '127.0.0.1', ...options }: Partial<ServerStartOptions> & { host?: string } = {},
): Promise<RunningServer & { at: string }> {
  const running = await startServer({ ...options, settings: testSettings(folder, { host }) });
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

  it('takes any name for itself, and no page of another site', async (t) => {
    const { at, firstKey } = await start(t, temporaryFolder(t), { host: otherHost });
    const status = async (headers: Record<string, string>) => {
      const authorization = `Bearer ${firstKey}`;
      return (await fetch(`${at}/v1/tasks`, { headers: { authorization, ...headers } })).status;
    };
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

  it('that one process started for itself takes only its key', async (t) => {
    const { at, firstKey } = await start(t, temporaryFolder(t), { ownKey: 'own' });
    assert.equal(firstKey, undefined);
    assert.equal((await fetch(`${at}/v1/tasks`)).status, 401);
    assert.equal((await createClient({ baseUrl: at, apiKey: 'own' }).tasks.list()).items.length, 0);
  });
});
