import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pg from 'pg';
import { createTestDatabase, skipWithoutPostgres } from '../../../test/postgres/test-database.ts';
import {
  claim,
  entry,
  finish,
  item,
  namespace,
  newTask,
  newWorker,
  suspend,
  wait,
} from '../contract/scenario.ts';
import type { ClaimedTask, Store } from '../store.ts';
import { openPostgresStore } from './database/open-store.ts';

const scale = Number(process.env.OPSPAWN_TEST_SCALE ?? 1);

/** Runs what is ready until `isDone`; a root makes two children, waits for both and ends. */
async function work(store: Store, started: string[], isDone: () => boolean): Promise<void> {
  const workerId = await newWorker(store, 3_600_000);
  while (!isDone()) {
    const claimed = await claim(store, workerId, { limit: 5 });
    await Promise.all(claimed.map((task) => runTask(store, task, started)));
    await store.promoteDue(100);
    await store.sweep(100);
  }
}

async function runTask(store: Store, task: ClaimedTask, started: string[]): Promise<void> {
  const { taskId, lastSeq } = task;
  if (task.parentId !== undefined || task.name === 'leaf') {
    if (task.sessionId !== undefined && task.parentId === undefined) started.push(taskId);
    assert.ok((await finish(store, task, 'completed', lastSeq + 1)).ok);
    return;
  }
  if (lastSeq === 0) {
    started.push(taskId);
    const children = [newTask({ parentId: taskId }), newTask({ parentId: taskId })];
    assert.ok((await store.write({ op: 'append', owner: task, entries: [entry(1)], children })).ok);
  }
  const inbox = await store.inbox(taskId);
  const ended = inbox.filter(({ kind }) => kind === 'child');
  if (ended.length === 2) {
    assert.ok((await finish(store, task, 'completed', Math.max(lastSeq, 1) + 1)).ok);
    return;
  }
  const children = await store.tasks({ namespace, parentId: taskId }, { limit: 10 });
  const waits = children
    .filter(({ id }) => !ended.some(({ key }) => key === `child:${id}`))
    .map(({ id }) => wait({ kind: 'child', key: `child:${id}` }));
  const result = await suspend(store, task, waits);
  if (!result.ok && result.reason === 'awakened')
    await runTask(store, { ...task, lastSeq: Math.max(lastSeq, 1) }, started);
}

describe('several stores on one database in PostgreSQL', { skip: skipWithoutPostgres }, () => {
  it('run families and sessions at the same time: each once, in order, and nobody waits in a circle', async () => {
    await using database = await createTestDatabase();
    const stores = await Promise.all([1, 2, 3].map(() => openPostgresStore({ url: database.url })));
    const store = stores[0] ?? assert.fail();
    const sessions = 6;
    const roots = Array.from({ length: Math.ceil(60 * scale) }, (_, n) =>
      newTask({ sessionId: `s${n % sessions}`, name: n % 3 === 0 ? 'leaf' : 'root' }),
    );
    const started: string[] = [];
    let isDone = false;
    const working = stores.map((one) => work(one, started, () => isDone));
    for (const [n, task] of roots.entries()) {
      await (stores[n % 3] as Store).write({ op: 'submit', task });
      const poked = {
        op: 'post',
        namespace,
        taskId: roots[n >> 1]?.id ?? task.id,
        item: item('signal', { key: 'x' }),
      } as const;
      await (stores[(n + 1) % 3] as Store).write(poked);
    }
    while (
      (await store.tasks({ namespace, status: ['pending', 'running', 'waiting'] }, { limit: 1 })).length > 0
    );
    isDone = true;
    await Promise.all(working);
    for (let s = 0; s < sessions; s += 1) {
      const given = roots.filter(({ sessionId }) => sessionId === `s${s}`).map(({ id }) => id);
      assert.deepEqual(
        started.filter((id) => given.includes(id)),
        given,
      );
    }
    const completed = await store.tasks({ namespace, status: ['completed'] }, { limit: 10_000 });
    assert.equal(completed.length, roots.length + 2 * roots.filter(({ name }) => name === 'root').length);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query(
      'select deadlocks::int from pg_stat_database where datname = current_database()',
    );
    await client.end();
    assert.deepEqual(rows, [{ deadlocks: 0 }]);
    await Promise.all(stores.map((one) => one[Symbol.asyncDispose]()));
  });

  it('one idempotency key used by all at once makes one task', async () => {
    await using database = await createTestDatabase();
    const stores = await Promise.all([1, 2, 3].map(() => openPostgresStore({ url: database.url })));
    const keys = ['a', 'b', 'c', 'd'];
    const submits = stores.flatMap((store, n) =>
      (n === 1 ? keys.toReversed() : keys).map((idempotencyKey) =>
        store.write({ op: 'submit', task: newTask({ idempotencyKey, requestDigest: 'same' }) }),
      ),
    );
    const results = await Promise.all(submits);
    assert.equal(new Set(results.map(({ taskId }) => taskId)).size, keys.length);
    assert.equal(results.filter(({ outcome }) => outcome === 'created').length, keys.length);
    assert.equal(results.filter(({ outcome }) => outcome === 'existing').length, 2 * keys.length);
    await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()));
  });

  it('a task is claimed by one of them, also from several queues', async () => {
    await using database = await createTestDatabase();
    const stores = await Promise.all([1, 2, 3].map(() => openPostgresStore({ url: database.url })));
    const store = stores[0] ?? assert.fail();
    const tasks = Array.from({ length: 300 }, (_, n) => newTask({ queue: n % 2 === 0 ? 'a' : 'b' }));
    await store.submitMany(tasks);
    const claims = await Promise.all(
      stores.map(async (one) => {
        const workerId = await newWorker(one);
        const all: string[] = [];
        for (let n = 0; n < 10; n += 1)
          all.push(
            ...(await claim(one, workerId, { limit: 10, queues: ['a', 'b'] })).map(({ taskId }) => taskId),
          );
        return all;
      }),
    );
    assert.deepEqual(claims.flat().sort(), tasks.map(({ id }) => id).sort());
    await Promise.all(stores.map((one) => one[Symbol.asyncDispose]()));
  });
});
