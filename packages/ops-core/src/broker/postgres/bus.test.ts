import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { deafProxy } from '../../../test/postgres/deaf-proxy.ts';
import { createEmptyDatabase, skipWithoutPostgres } from '../../../test/postgres/test-database.ts';
import type { Bus, BusLog } from '../bus.ts';
import { busCases } from '../contract.ts';
import { openPostgresBus } from './bus.ts';

const log: BusLog = { info: () => {}, warn: () => {} };

async function openLinked(t: TestContext, url: string): Promise<Bus> {
  const bus = openPostgresBus({ url, log });
  await bus.linked(t.signal);
  return bus;
}

/** Resolves when a ring of one bus is heard by the other. */
async function ringsReach(from: Bus, to: Bus): Promise<void> {
  let heard = false;
  using _subscription = to.broker.subscribe(['a'], async () => {
    heard = true;
    return false;
  });
  while (!heard) {
    from.broker.ring(new Set(['a']));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('the bus of processes that share a PostgreSQL database', { skip: skipWithoutPostgres }, () => {
  for (const { promise, run } of busCases) {
    it(promise, async (t) => {
      await using database = await createEmptyDatabase();
      await using here = await openLinked(t, database.url);
      await using there = await openLinked(t, database.url);
      await run({ here, there, [Symbol.asyncDispose]: async () => {} });
    });
  }

  it('goes on after its connections were cut, and watches live on', async (t) => {
    await using database = await createEmptyDatabase();
    await using here = await openLinked(t, database.url);
    await using there = await openLinked(t, database.url);
    const received: unknown[] = [];
    using _watch = there.live.subscribe('task', (message) => received.push(message));
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    );
    await client.end();
    await ringsReach(here, there);
    while (received.length === 0) {
      here.live.publish({ type: 'changed', taskId: 'task' });
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  });

  it('listens on where the database ends idle sessions', async (t) => {
    await using database = await createEmptyDatabase();
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const name = new URL(database.url).pathname.slice(1);
    await client.query(`alter database ${name} set idle_session_timeout = '50ms'`);
    await client.end();
    const warned: string[] = [];
    await using bus = openPostgresBus({
      url: database.url,
      log: { ...log, warn: (_, what) => warned.push(what) },
    });
    await bus.linked(t.signal);
    // Ended twenty times over, were it ended.
    await sleep(1_000);
    assert.deepEqual(warned, []);
    assert.ok(bus.link.isLinked);
  });

  it('who joins later is told what is watched already', async (t) => {
    await using database = await createEmptyDatabase();
    await using there = await openLinked(t, database.url);
    using _watch = there.live.subscribe('task', () => {});
    await using here = await openLinked(t, database.url);
    while (!here.live.isWatched('task')) await new Promise((resolve) => setTimeout(resolve, 2));
    _watch[Symbol.dispose]();
    while (here.live.isWatched('task')) await new Promise((resolve) => setTimeout(resolve, 2));
  });

  it('hears nothing of another database, and no nonsense', async (t) => {
    await using database = await createEmptyDatabase();
    await using other = await createEmptyDatabase();
    await using here = await openLinked(t, database.url);
    await using elsewhere = await openLinked(t, other.url);
    const rings: string[] = [];
    using _elsewhere = elsewhere.broker.subscribe(['a'], async () => rings.push('elsewhere') > 0);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    for (const payload of ['', 'nonsense', '{}', '{"from":"x","no":1,"messages":[{"kind":"ring"}]}'])
      await client.query('select pg_notify($1, $2)', ['opspawn', payload]);
    await client.end();
    await using there = await openLinked(t, database.url);
    await ringsReach(there, here);
    assert.deepEqual(rings, []);
  });

  it('a message that is too long for NOTIFY is left out, and the others come', async (t) => {
    await using database = await createEmptyDatabase();
    await using here = await openLinked(t, database.url);
    await using there = await openLinked(t, database.url);
    const texts: unknown[] = [];
    using _watch = there.live.subscribe('task', (message) => {
      if (message.type === 'event') texts.push((message.event as { text: string }).text.length);
    });
    while (!here.live.isWatched('task')) await new Promise((resolve) => setTimeout(resolve, 2));
    for (const length of [5, 3_000, 20_000, 4_000, 2_000, 6])
      here.live.publish({ type: 'event', taskId: 'task', attempt: 1, event: { text: 'ü'.repeat(length) } });
    while (texts.at(-1) !== 6) await new Promise((resolve) => setTimeout(resolve, 2));
    assert.deepEqual(texts, [5, 3_000, 2_000, 6]);
  });

  it('looks for itself, and says so, where NOTIFY is swallowed; and rests when it gets through', async (t) => {
    await using database = await createEmptyDatabase();
    await using proxy = await deafProxy(database.url);
    const said: string[] = [];
    const listening = { ...log, warn: (_fields: object, message: string) => void said.push(message) };
    await using bus = openPostgresBus({ url: proxy.url, log: listening, selfTestMs: 100 });
    const { promise: looked, resolve } = Promise.withResolvers<void>();
    using _subscription = bus.broker.subscribe(['a'], async () => {
      resolve();
      return false;
    });
    await looked;
    assert.match(said.join(), /NOTIFY does not get through/);
    proxy.isDeaf = false;
    bus.broker.ring(new Set(['other']));
    await bus.linked(t.signal);
  });

  it('a closed bus takes rings and messages without harm', async (t) => {
    await using database = await createEmptyDatabase();
    const bus = await openLinked(t, database.url);
    await bus[Symbol.asyncDispose]();
    bus.broker.ring(new Set(['a']));
    bus.live.publish({ type: 'changed', taskId: 'task' });
  });
});
