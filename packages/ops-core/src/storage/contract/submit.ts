import assert from 'node:assert/strict';
import { claim, namespace, newTask, newWorker, type StoreCase, status, submit, task } from './scenario.ts';

export const submitCases: readonly StoreCase[] = [
  {
    promise: 'a submitted task is there as it was given, pending, with nothing in its journal',
    async run({ store }) {
      const given = newTask({
        kind: 'agent',
        name: 'helper',
        priority: 2,
        input: '{"prompt":"hello"}',
        options: '{"retry":{}}',
        idempotencyKey: 'key',
      });
      const result = await store.write({ op: 'submit', task: given });
      const row = await task(store, given.id);
      assert.deepEqual(result, { taskId: given.id, outcome: 'created', createdAt: row.createdAt });
      assert.deepEqual(row, {
        ...given,
        status: 'pending',
        attempt: 0,
        failures: 0,
        waits: [],
        limits: [],
        lastSeq: 0,
        createdAt: row.createdAt,
      });
      assert.deepEqual(await store.journal(given.id, 0, 10), []);
    },
  },
  {
    promise: 'submitting a task again is submitting it once, also after it ran',
    async run({ store }) {
      const given = newTask({ input: '1' });
      const first = await store.write({ op: 'submit', task: given });
      assert.deepEqual(await store.write({ op: 'submit', task: given }), first);
      const workerId = await newWorker(store);
      assert.equal((await claim(store, workerId)).length, 1);
      assert.deepEqual(await store.write({ op: 'submit', task: given }), first);
      assert.equal((await claim(store, workerId)).length, 0);
      assert.equal(await status(store, given.id), 'running');
    },
  },
  {
    promise: 'an idempotency key gives the first task for the same request and a conflict for another',
    async run({ store }) {
      const first = newTask({ idempotencyKey: 'key', requestDigest: 'a' });
      const { createdAt } = await store.write({ op: 'submit', task: first });
      const submitAgain = (requestDigest: string, space = namespace) =>
        store.write({
          op: 'submit',
          task: newTask({ idempotencyKey: 'key', requestDigest, namespace: space }),
        });
      assert.deepEqual(await submitAgain('a'), { taskId: first.id, outcome: 'existing', createdAt });
      assert.deepEqual(await submitAgain('b'), { taskId: first.id, outcome: 'conflict', createdAt });
      assert.equal((await submitAgain('b', 'other')).outcome, 'created');
      assert.equal((await store.tasks({ namespace }, { limit: 10 })).length, 1);
    },
  },
  {
    promise: 'an idempotency key used twice in one batch makes one task',
    async run({ store }) {
      const [a, b] = [newTask({ idempotencyKey: 'key' }), newTask({ idempotencyKey: 'key' })];
      const results = await store.submitMany([a, b]);
      assert.deepEqual(
        results.map((result) => [result.taskId, result.outcome]),
        [
          [a.id, 'created'],
          [a.id, 'existing'],
        ],
      );
    },
  },
  {
    promise: 'a batch of 10,000 tasks is stored as a whole and answered in order',
    async run({ store }) {
      const tasks = Array.from({ length: 10_000 }, (_, index) => newTask({ input: String(index) }));
      const results = await store.submitMany(tasks);
      assert.deepEqual(
        results.map((result) => result.taskId),
        tasks.map(({ id }) => id),
      );
      assert.ok(results.every((result) => result.outcome === 'created'));
      const claimed = await claim(store, await newWorker(store), { limit: 20_000 });
      assert.deepEqual(
        claimed.map(({ input }) => input),
        tasks.map(({ input }) => input),
      );
    },
  },
  {
    promise: 'tasks that are submitted together have in common only what they were given alike',
    async run({ store }) {
      const own = {
        name: 'half a pair \ud83d',
        kind: 'agent',
        queue: 'b',
        priority: 3,
        options: '{"retry":{}}',
      } as const;
      const times = { dueAt: 4_102_444_800_000, deadlineAt: 4_102_444_900_000 };
      for (const changes of [
        [own, own],
        [own, {}],
        [{}, own],
        [own, times],
        [times, times],
        [times, {}],
        [{}, { options: own.options }],
        [{}, {}],
      ]) {
        const tasks = changes.map((change, index) => newTask({ ...change, input: `${index}` }));
        await store.submitMany(tasks);
        for (const given of tasks) {
          const row = await task(store, given.id);
          assert.deepEqual({ ...row, ...given, name: row.name }, row);
          assert.equal(row.name, given.name.toWellFormed());
          for (const key of ['dueAt', 'deadlineAt', 'options'] as const) assert.equal(row[key], given[key]);
        }
      }
    },
  },
  {
    promise: 'tasks submitted at the same time are all there',
    async run({ store }) {
      const ids = await Promise.all(Array.from({ length: 200 }, () => submit(store)));
      const rows = await store.tasks({ namespace }, { limit: 1000 });
      assert.deepEqual(new Set(rows.map((row) => row.id)), new Set(ids));
    },
  },
  {
    promise: 'a write that cannot be done fails alone, and those that came with it are done',
    async run({ store }) {
      const broken = newTask({ input: 5n as unknown as string, name: undefined as unknown as string });
      const [before, refused, after] = await Promise.allSettled([
        submit(store),
        store.write({ op: 'submit', task: broken }),
        submit(store),
      ]);
      assert.equal(refused.status, 'rejected');
      assert.ok(before.status === 'fulfilled' && after.status === 'fulfilled');
      const rows = await store.tasks({ namespace }, { limit: 10 });
      assert.deepEqual(new Set(rows.map((row) => row.id)), new Set([before.value, after.value]));
    },
  },
  {
    promise: 'listeners hear in which queues tasks became ready and when the next one is due',
    async run({ store, advance }) {
      const heard: unknown[] = [];
      store.listen({
        ready: (queues) => heard.push([...queues]),
        changed: () => {},
        posted: () => {},
        due: (at) => heard.push(at),
      });
      await submit(store, { queue: 'a' });
      const dueAt = (await store.now()) + 5000;
      await submit(store, { queue: 'b', dueAt });
      await advance(5000);
      await store.promoteDue(10);
      assert.deepEqual(heard, [['a'], dueAt, ['b']]);
    },
  },
];
