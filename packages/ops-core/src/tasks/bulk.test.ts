import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  createTestDatabase,
  emptyDatabase,
  skipWithoutPostgres,
  type TestDatabase,
} from '../../test/postgres/test-database.ts';
import { localPrincipal } from '../auth/principal.ts';
import { claim, finish, newTask, newWorker, release, submit } from '../storage/contract/scenario.ts';
import { openPostgresStore } from '../storage/postgres/database/open-store.ts';
import { openSqliteStore } from '../storage/sqlite/database/open-store.ts';
import type { NewTask, Store } from '../storage/store.ts';
import { actOnMany } from './bulk.ts';
import type { BulkAction, BulkRequest, BulkResult, TaskSelection } from './engine-interface.ts';

const { namespace } = localPrincipal;

const ask = (store: Store, action: BulkAction, request: BulkRequest) =>
  actOnMany(store, localPrincipal, action, request);

/** Counts, and then calls until nothing is left. */
async function whole(store: Store, action: BulkAction, filter: TaskSelection): Promise<BulkResult> {
  let result = await ask(store, action, { filter, dryRun: true });
  while (result.token !== undefined) result = await ask(store, action, { filter, token: result.token });
  return result;
}

const many = (count: number, changes: Partial<NewTask> = {}) =>
  Array.from({ length: count }, () => newTask(changes));

async function failAll(store: Store): Promise<readonly string[]> {
  const owners = await claim(store, await newWorker(store), { limit: 10_000 });
  const data = '{"error":{"code":"timeout"}}';
  await Promise.all(owners.map((owner) => finish(store, owner, 'failed', owner.lastSeq + 1, data)));
  return owners.map(({ taskId }) => taskId);
}

const invalid = (path: string) => ({ code: 'invalid_argument', details: { path } });

interface Case {
  readonly promise: string;
  run(store: Store): Promise<void>;
}

const cases: readonly Case[] = [
  {
    promise: 'nothing is done without a count, and a count does nothing',
    async run(store) {
      await store.submitMany(many(3));
      const filter = { name: 'noop' };
      await assert.rejects(ask(store, 'cancel', { filter }), invalid('/token'));
      const counted = await ask(store, 'cancel', { filter, dryRun: true });
      assert.deepEqual([counted.matched, counted.done, counted.skipped], [3, 0, 0]);
      assert.equal((await store.taskIds({ namespace, status: ['pending'] }, { limit: 9 })).length, 3);
      const nothing = await ask(store, 'cancel', { filter: { name: 'other' }, dryRun: true });
      assert.deepEqual(nothing, { matched: 0, done: 0, skipped: 0 });
    },
  },
  {
    promise: 'a token counts for its own action and filter only',
    async run(store) {
      await submit(store);
      const { token = '' } = await ask(store, 'cancel', { filter: { name: 'noop' }, dryRun: true });
      const other = invalid('/token');
      await assert.rejects(ask(store, 'pause', { filter: { name: 'noop' }, token }), other);
      await assert.rejects(ask(store, 'cancel', { filter: {}, token }), other);
      await assert.rejects(ask(store, 'cancel', { filter: { name: 'noop' }, token: 'x' }), other);
      const wrong = ask(store, 'retry', { filter: { status: ['pending'] }, dryRun: true });
      await assert.rejects(wrong, invalid('/filter/status'));
    },
  },
  {
    promise: 'what is created or becomes fitting after the count is left alone',
    async run(store) {
      const counted = many(4);
      await store.submitMany(counted);
      const filter = {};
      const { token = '' } = await ask(store, 'cancel', { filter, dryRun: true });
      const ended = (await claim(store, await newWorker(store), { limit: 1 }))[0] ?? assert.fail();
      await finish(store, ended);
      await new Promise((resolve) => setTimeout(resolve, 5));
      const later = await submit(store);
      const result = await ask(store, 'cancel', { filter, token });
      assert.deepEqual([result.matched, result.done, result.token], [4, 3, undefined]);
      assert.deepEqual(await store.inbox(later), []);
    },
  },
  {
    promise: 'the same call made twice posts to each task once',
    async run(store) {
      const tasks = many(3);
      await store.submitMany(tasks);
      const owners = await claim(store, await newWorker(store));
      await Promise.all(owners.map((owner) => release(store, owner, 60_000)));
      const filter = {};
      const { token = '' } = await ask(store, 'cancel', { filter, dryRun: true });
      const first = await ask(store, 'cancel', { filter, token, reason: 'moved' });
      assert.deepEqual(await ask(store, 'cancel', { filter, token, reason: 'moved' }), first);
      for (const { id } of tasks)
        assert.deepEqual(
          (await store.inbox(id)).map(({ kind, data }) => [kind, data]),
          [['cancel', '{"reason":"moved"}']],
        );
    },
  },
  {
    promise:
      'tasks that no attempt has begun end with the call, without a worker; what ended meanwhile was in another state',
    async run(store) {
      await store.submitMany(many(700, { queue: 'nobody' }));
      const filter = { queue: 'nobody' };
      const { token = '' } = await ask(store, 'cancel', { filter, dryRun: true });
      assert.deepEqual(await ask(store, 'cancel', { filter, token }), {
        matched: 700,
        done: 700,
        skipped: 0,
      });
      assert.equal((await store.taskIds({ namespace, status: ['cancelled'] }, { limit: 999 })).length, 700);
      assert.deepEqual(await ask(store, 'cancel', { filter, token }), {
        matched: 700,
        done: 0,
        skipped: 700,
      });
    },
  },
  {
    promise: 'more tasks than one call takes are retried call by call, oldest first, each once',
    async run(store) {
      const tasks = many(2_300);
      assert.ok((await store.submitMany(tasks)).every(({ outcome }) => outcome === 'created'));
      await failAll(store);
      const filter = { errorCode: 'timeout' };
      const counted = await ask(store, 'retry', { filter, dryRun: true });
      assert.equal(counted.matched, tasks.length);
      const half = await ask(store, 'retry', { filter, token: counted.token ?? '' });
      assert.ok(half.done < tasks.length && half.token !== undefined);
      const left = await store.taskIds({ namespace, status: ['failed'] }, { limit: 10_000 });
      assert.deepEqual(
        left.toReversed(),
        tasks.slice(half.done).map(({ id }) => id),
      );
      let result = half;
      while (result.token !== undefined) result = await ask(store, 'retry', { filter, token: result.token });
      assert.deepEqual([result.done, result.skipped], [tasks.length, 0]);
      const again = await claim(store, await newWorker(store), { limit: 10_000 });
      assert.equal(again.length, tasks.length);
      assert.ok(again.every(({ attempt, hasInbox }) => attempt === 2 && hasInbox));
    },
  },
  {
    promise: 'tasks of a session that are retried together keep their order',
    async run(store) {
      const tasks = many(4, { sessionId: 's' });
      await store.submitMany(tasks);
      for (let n = 0; n < tasks.length; n += 1) assert.deepEqual(await failAll(store), [tasks[n]?.id]);
      assert.equal((await whole(store, 'retry', {})).done, 4);
      for (let n = 0; n < tasks.length; n += 1) assert.deepEqual(await failAll(store), [tasks[n]?.id]);
    },
  },
  {
    promise: 'pausing and resuming beside a worker leaves what runs to its owner',
    async run(store) {
      await store.submitMany(many(5));
      const [owner] = await claim(store, await newWorker(store), { limit: 1 });
      assert.equal((await whole(store, 'pause', {})).done, 5);
      const paused = () => store.taskIds({ namespace, status: ['paused'] }, { limit: 9 });
      assert.equal((await paused()).length, 4);
      assert.deepEqual(
        (await store.inbox(owner?.taskId ?? '')).map(({ kind }) => kind),
        ['pause'],
      );
      assert.equal((await whole(store, 'resume', {})).done, 4);
      assert.deepEqual(await paused(), []);
    },
  },
  {
    promise: 'another namespace is not touched',
    async run(store) {
      await submit(store, { namespace: 'other' });
      assert.equal((await whole(store, 'cancel', {})).matched, 0);
    },
  },
];

describe('acting on many tasks in SQLite', () => {
  for (const { promise, run } of cases) {
    it(promise, async () => {
      await using store = await openSqliteStore({ path: ':memory:' });
      await run(store);
    });
  }
});

describe('acting on many tasks in PostgreSQL', { skip: skipWithoutPostgres }, () => {
  let database: TestDatabase;
  before(async () => {
    database = await createTestDatabase();
  });
  after(() => database[Symbol.asyncDispose]());

  for (const { promise, run } of cases) {
    it(promise, async () => {
      await emptyDatabase(database.url);
      await using store = await openPostgresStore({ url: database.url });
      await run(store);
    });
  }
});
