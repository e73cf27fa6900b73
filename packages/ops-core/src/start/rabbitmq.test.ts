import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { OpspawnError } from '@opspawn/agentkit';
import { runTask, temporaryFolder, testSettings } from '../../test/opspawn.ts';
import { createTestDatabase, skipWithoutPostgres } from '../../test/postgres/test-database.ts';
import { readSettings, type Settings } from '../config.ts';
import { defineFunction } from '../tasks/definitions/definition.ts';
import { defineConfig } from '../tasks/definitions/user-config.ts';
import { startServer, startWorker } from './start.ts';

const brokerUrl = process.env.OPSPAWN_TEST_RABBITMQ_URL;
const skip = brokerUrl === undefined ? 'OPSPAWN_TEST_RABBITMQ_URL is not set' : skipWithoutPostgres;
const echo = defineFunction({ name: 'echo', run: (ctx, input) => ctx.step('echo', () => input) });
const loaded = { path: 'opspawn.config.ts', config: defineConfig({ functions: [echo] }) };

async function runOn(t: TestContext, settings: Settings, queue: string): Promise<void> {
  await using server = await startServer({ settings: { ...settings, queues: [queue] } });
  await using _worker = await startWorker({ settings: { ...settings, queues: [queue] }, loaded });
  assert.deepEqual(await (await fetch(`${server.url}/ready`)).json(), { status: 'ok', broker: 'linked' });
  for (const input of ['first', 'second']) {
    const { task } = await runTask(t, server.engine, { name: 'echo', input, queue });
    assert.equal(task.output, input);
  }
}

describe('a server and a worker that share a RabbitMQ', { skip, timeout: 300_000 }, () => {
  it('on PostgreSQL', async (t) => {
    await using database = await createTestDatabase();
    const { database: setting } = readSettings({ OPSPAWN_DATABASE_URL: database.url });
    await runOn(t, testSettings(temporaryFolder(t), { database: setting, brokerUrl }), 'on-postgres');
  });

  it('on SQLite', async (t) => {
    await runOn(t, testSettings(temporaryFolder(t), { brokerUrl }), 'on-sqlite');
  });

  it('start without it when it is away, say so, and do the work all the same', async (t) => {
    const settings = testSettings(temporaryFolder(t), { brokerUrl: 'amqp://a:b@127.0.0.1:1' });
    await using server = await startServer({ settings });
    await using _worker = await startWorker({ settings, loaded });
    assert.deepEqual(await server.engine.ready(), { status: 'ok', broker: 'away' });
    const { task } = await runTask(t, server.engine, { name: 'echo', input: 'hi' });
    assert.equal(task.output, 'hi');
  });

  it('refuse to start with wrong credentials, and hold nothing open', async (t) => {
    const url = Object.assign(new URL(brokerUrl ?? ''), { password: 'wrong' }).href;
    const settings = testSettings(temporaryFolder(t), { brokerUrl: url });
    await assert.rejects(startServer({ settings }), { code: 'config_invalid' });
    await assert.rejects(startWorker({ settings, loaded }), { code: 'config_invalid' });
  });

  it('say in one line that a broker does not speak TLS', async (t) => {
    const url = (brokerUrl ?? '').replace('amqp:', 'amqps:');
    await assert.rejects(
      startServer({ settings: testSettings(temporaryFolder(t), { brokerUrl: url }) }),
      ({ code, message }: OpspawnError) =>
        code === 'config_invalid' && /refuses: TLS failed, [\w ]+\. Check OPSPAWN_BROKER_URL$/.test(message),
    );
  });
});
