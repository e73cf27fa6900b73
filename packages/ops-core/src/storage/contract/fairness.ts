import assert from 'node:assert/strict';
import type { Shares } from '../claim-request.ts';
import type { ClaimedTask, Store } from '../store.ts';
import { attemptTimeoutMs, newTask, newWorker, queue, type StoreCase } from './scenario.ts';

/** Ready tasks of a namespace. */
const crowd = (
  store: Store,
  namespace: string,
  count: number,
  changes: { queue?: string; priority?: number } = {},
) => store.submitMany(Array.from({ length: count }, () => newTask({ namespace, ...changes })));

async function claimed(store: Store, limit: number, options: { shares?: Shares; queues?: string[] } = {}) {
  const { queues = [queue], ...shares } = options;
  return await store.claim({ workerId: await newWorker(store), queues, limit, attemptTimeoutMs, ...shares });
}

const countBy = (tasks: readonly ClaimedTask[], of: 'namespace' | 'queue'): Record<string, number> =>
  Object.fromEntries(
    [...Map.groupBy(tasks, (task) => task[of])].map(([key, { length }]) => [key, length]).sort(),
  );

export const fairnessCases: readonly StoreCase[] = [
  {
    promise:
      'a namespace with many ready tasks leaves room for one with few, whatever their priorities and times',
    async run({ store }) {
      await crowd(store, 'many', 60, { priority: 0 });
      await crowd(store, 'few', 3, { priority: 9 });
      assert.deepEqual(countBy(await claimed(store, 20), 'namespace'), { few: 3, many: 17 });
    },
  },
  {
    promise: 'who is ahead waits until the others have caught up, and a share that costs less gets more',
    async run({ store }) {
      await crowd(store, 'a', 50);
      await crowd(store, 'b', 50);
      const ahead: Shares = { step: 1, namespaces: { a: { lag: 6, step: 1, queues: {} } } };
      assert.deepEqual(countBy(await claimed(store, 6, { shares: ahead }), 'namespace'), { b: 6 });
      assert.deepEqual(countBy(await claimed(store, 10, { shares: ahead }), 'namespace'), { a: 2, b: 8 });
      const weighted: Shares = { step: 1, namespaces: { a: { lag: 0, step: 0.25, queues: {} } } };
      const shared = countBy(await claimed(store, 20, { shares: weighted }), 'namespace');
      assert.deepEqual(shared, { a: 16, b: 4 });
    },
  },
  {
    promise: 'queues share what their namespace has, and more queues are no greater share',
    async run({ store }) {
      for (const name of ['x', 'y', 'z']) await crowd(store, 'a', 30, { queue: name });
      await crowd(store, 'b', 30, { queue: 'x' });
      const shares: Shares = {
        step: 1,
        namespaces: { a: { lag: 0, step: 1, queues: { x: { lag: 0, step: 0.5 } } } },
      };
      const tasks = await claimed(store, 16, { shares, queues: ['x', 'y', 'z'] });
      assert.deepEqual(countBy(tasks, 'namespace'), { a: 8, b: 8 });
      const ofA = tasks.filter(({ namespace }) => namespace === 'a');
      assert.deepEqual(countBy(ofA, 'queue'), { x: 4, y: 2, z: 2 });
    },
  },
  {
    promise: 'what one lane cannot use goes to the others, up to the limit',
    async run({ store }) {
      for (let n = 0; n < 7; n += 1) await crowd(store, `small-${n}`, 1);
      await crowd(store, 'large', 40);
      const shared = countBy(await claimed(store, 30), 'namespace');
      assert.equal(shared.large, 23);
      assert.equal((await claimed(store, 100)).length, 17);
      assert.deepEqual(await claimed(store, 100), []);
    },
  },
  {
    promise: 'more namespaces than one look takes in all come to their turn, and none is taken twice',
    async run({ store }) {
      const names = Array.from({ length: 450 }, (_, n) => `tenant-${n}`);
      await store.submitMany(names.flatMap((namespace) => [newTask({ namespace }), newTask({ namespace })]));
      const taken = new Map<string, number>();
      const ids = new Set<string>();
      for (let n = 0; n < 10; n += 1) {
        const lags = [...taken].map(([name, lag]) => [name, { lag, step: 1, queues: {} }]);
        const shares: Shares = { step: 1, namespaces: Object.fromEntries(lags) };
        const tasks = await claimed(store, 90, { shares });
        assert.equal(tasks.length, 90);
        for (const { namespace, taskId } of tasks) {
          ids.add(taskId);
          taken.set(namespace, (taken.get(namespace) ?? 0) + 1);
        }
        if (n === 7) assert.equal(taken.size, names.length);
      }
      assert.equal(ids.size, 900);
      assert.deepEqual(await claimed(store, 90), []);
    },
  },
];
