import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import type { OpspawnError } from '@opspawn/agentkit';
import { runTask, temporaryFolder, testSettings } from '../../test/opspawn.ts';
import { createTestDatabase, skipWithoutPostgres } from '../../test/postgres/test-database.ts';
import { readSettings, type Settings } from '../config.ts';
import { defineFunction } from '../tasks/definitions/definition.ts';
import { defineConfig } from '../tasks/definitions/user-config.ts';
import { openNode } from './node.ts';
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

/** Of a process that listens to the queue `shared`; the first ring is that with which it begins. */
async function countRings(t: TestContext, settings: Settings) {
  await using opening = new AsyncDisposableStack();
  const { bus } = opening.use(await openNode({ settings }));
  await bus.linked(t.signal);
  const rung = new EventEmitter();
  const rings = { count: 0, reached: async (_count: number): Promise<void> => {} };
  rings.reached = async (count) => {
    while (rings.count < count) await once(rung, 'ring', { signal: t.signal });
  };
  opening.use(
    bus.broker.subscribe(['shared'], async () => {
      rings.count += 1;
      rung.emit('ring');
      return false;
    }),
  );
  await rings.reached(1);
  const stack = opening.move();
  return Object.assign(rings, { [Symbol.asyncDispose]: () => stack.disposeAsync() });
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

  it('hear no doorbell of another deployment that shares it, nor does that take theirs', async (t) => {
    await using here = await createTestDatabase();
    await using there = await createTestDatabase();
    const settingsOf = (environment: Record<string, string>): Settings => {
      const { database } = readSettings(environment);
      return testSettings(temporaryFolder(t), { database, brokerUrl });
    };
    for (const [own, other] of [
      [{ OPSPAWN_DATABASE_URL: here.url }, { OPSPAWN_DATABASE_URL: there.url }],
      [{ OPSPAWN_DATA_DIR: temporaryFolder(t) }, { OPSPAWN_DATA_DIR: temporaryFolder(t) }],
    ].map((both) => both.map(settingsOf)) as [Settings, Settings][]) {
      await using rings = await countRings(t, own);
      await using otherRings = await countRings(t, other);
      await using server = await openNode({ settings: own });
      await server.bus.linked(t.signal);
      for (let count = 2; count < 8; count += 1) {
        server.bus.broker.ring(new Set(['shared']));
        await rings.reached(count);
      }
      assert.equal(otherRings.count, 1, 'that with which it began to listen');
    }
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
