import assert from 'node:assert/strict';
import { newId } from '../../domain/new-id.ts';
import type { TaskLimit } from '../parts/flow-control.ts';
import type { Store } from '../store.ts';
import {
  claim,
  claimOnly,
  entry,
  finish,
  item,
  leaseTtlMs,
  lost,
  namespace,
  newTask,
  newWorker,
  post,
  readyIds,
  release,
  type StoreCase,
  status,
  submit,
  submitAndClaim,
  suspend,
  wait,
} from './scenario.ts';

const one: readonly TaskLimit[] = [{ key: 'bank', maxRunning: 1 }];
const two: readonly TaskLimit[] = [{ key: 'bank', maxRunning: 2 }];

/** Submits so many tasks with these limits, one after the other. */
async function submitMany(store: Store, count: number, limits: readonly TaskLimit[]): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) ids.push(await submit(store, { limits }));
  return ids;
}

export const limitCases: readonly StoreCase[] = [
  {
    promise:
      'no more tasks run under a key than its limit, and each that ends makes way for the next in order',
    async run({ store }) {
      const ids = await submitMany(store, 4, two);
      const urgent = await submit(store, { limits: two, priority: 0 });
      const workerId = await newWorker(store);
      const [first, second, ...more] = await claim(store, workerId);
      assert.deepEqual([first?.taskId, second?.taskId, more.length], [ids[0], ids[1], 0]);
      assert.equal(await status(store, urgent), 'pending');
      await finish(store, first ?? assert.fail());
      await finish(store, second ?? assert.fail(), 'failed');
      assert.deepEqual(await readyIds(store), [urgent, ids[2]]);
      const state = await store.limit(namespace, 'bank');
      assert.deepEqual(state, { key: 'bank', running: 2, waiting: 1, holders: [ids[2], urgent].sort() });
    },
  },
  {
    promise: 'tasks that were submitted together are held back as well',
    async run({ store }) {
      const tasks = Array.from({ length: 5 }, () => newTask({ limits: two }));
      await store.submitMany(tasks);
      assert.equal((await readyIds(store)).length, 2);
    },
  },
  {
    promise: 'a task takes its place also beside a claim that is refused at the same moment',
    async run({ store }) {
      const task = newTask({ limits: one });
      const written = store.write({ op: 'submit', task });
      await assert.rejects(claim(store, newId()), { code: 'lease_lost' });
      await written;
      assert.deepEqual(await readyIds(store), [task.id]);
    },
  },
  {
    promise: 'keys do not hold each other up, nor those of another namespace with the same name',
    async run({ store }) {
      const a = await submit(store, { limits: one });
      await submit(store, { limits: one });
      const b = await submit(store, { limits: [{ key: 'post', maxRunning: 1 }] });
      const c = await submit(store, { limits: one, namespace: 'other' });
      assert.deepEqual((await readyIds(store)).sort(), [a, b, c].sort());
    },
  },
  {
    promise: 'a task that waits, is put off or paused gives its place up, and lines up again',
    async run({ store, advance }) {
      const first = await submitAndClaim(store, { limits: one });
      const second = await submit(store, { limits: one });
      await suspend(store, first, [wait({ key: 'signal:go' })]);
      const owner = await claimOnly(store, second);
      await post(store, first.taskId, item('signal', { key: 'signal:go' }));
      assert.deepEqual(await readyIds(store), []);
      assert.equal(await status(store, first.taskId), 'pending');
      await release(store, owner, 1000);
      const again = await claimOnly(store, first.taskId);
      await advance(5000);
      await store.promoteDue(10);
      assert.deepEqual(await readyIds(store), []);
      await store.write({ op: 'pause', owner: again, entries: [], reason: 'budget' });
      await claimOnly(store, second);
      await post(store, first.taskId, item('resume'));
      assert.deepEqual(await readyIds(store), []);
    },
  },
  {
    promise: 'a child goes on under the key of its parent, and waits for keys of its own',
    async run({ store }) {
      const parent = await submitAndClaim(store, { limits: one });
      const child = newTask({ parentId: parent.taskId, limits: one });
      const limits = [...one, { key: 'post', maxRunning: 1 }];
      const mailers = [
        newTask({ parentId: parent.taskId, limits }),
        newTask({ parentId: parent.taskId, limits }),
      ];
      await store.write({ op: 'append', owner: parent, entries: [entry(1)], children: [child, ...mailers] });
      assert.deepEqual((await readyIds(store)).sort(), [child.id, mailers[0]?.id].sort());
      const { running } = await store.limit(namespace, 'bank');
      assert.equal(running, 1);
    },
  },
  {
    promise: 'of several keys all must let a task go, and one that is full holds up nobody else',
    async run({ store }) {
      const both = (n: number): readonly TaskLimit[] => [
        { key: 'all', maxRunning: 2 },
        { key: `customer-${n}`, maxRunning: 1 },
      ];
      const [a1, a2, b1, c1] = [
        await submit(store, { limits: both(1) }),
        await submit(store, { limits: both(1) }),
        await submit(store, { limits: both(2) }),
        await submit(store, { limits: both(3) }),
      ];
      const claimed = await claim(store, await newWorker(store));
      assert.deepEqual(claimed.map(({ taskId }) => taskId).sort(), [a1, b1].sort());
      await finish(store, claimed.find(({ taskId }) => taskId === b1) ?? assert.fail());
      const owner = await claimOnly(store, c1);
      await finish(store, owner);
      assert.deepEqual(await readyIds(store), []);
      await finish(store, claimed.find(({ taskId }) => taskId === a1) ?? assert.fail());
      assert.deepEqual(await readyIds(store), [a2]);
    },
  },
  {
    promise: 'a cancelled task ends without a place, and a task behind it keeps its own',
    async run({ store }) {
      const cancelled = await submitAndClaim(store, { limits: one });
      await suspend(store, cancelled, [wait()]);
      const first = await submitAndClaim(store, { limits: one });
      const last = await submit(store, { limits: one });
      await post(store, cancelled.taskId, item('cancel'));
      await finish(store, await claimOnly(store, cancelled.taskId), 'cancelled');
      assert.deepEqual(await readyIds(store), []);
      await finish(store, first);
      assert.deepEqual(await readyIds(store), [last]);
    },
  },
  {
    promise: 'the place of a worker that died is free again, and its late write takes nothing',
    async run({ store, advance }) {
      const dead = await submitAndClaim(store, { limits: one });
      const next = await submit(store, { limits: one });
      await advance(leaseTtlMs + 1);
      await store.sweep(100);
      await store.promoteDue(100);
      const again = await claimOnly(store, dead.taskId);
      assert.deepEqual(await finish(store, dead), lost);
      assert.deepEqual(await readyIds(store), []);
      await finish(store, again);
      assert.deepEqual(await readyIds(store), [next]);
    },
  },
  {
    promise: 'a session’s next task lines up for its key when its turn comes',
    async run({ store }) {
      const first = await submitAndClaim(store, { sessionId: 's' });
      const next = await submit(store, { sessionId: 's', limits: one });
      const other = await submitAndClaim(store, { limits: one });
      await finish(store, first);
      assert.deepEqual(await readyIds(store), []);
      await finish(store, other);
      assert.deepEqual(await readyIds(store), [next]);
    },
  },
  {
    promise: 'an operator’s word on a key goes before the tasks’, at once, and they count again without it',
    async run({ store }) {
      const ids = await submitMany(store, 5, one);
      assert.equal((await readyIds(store)).length, 1);
      await store.setLimit(namespace, { key: 'bank', maxRunning: 3 });
      assert.deepEqual(await readyIds(store), ids.slice(1, 3));
      await store.setLimit(namespace, { key: 'bank', maxRunning: 0 });
      await submit(store, { limits: one });
      assert.deepEqual(await readyIds(store), []);
      assert.deepEqual(
        (await store.limits(namespace)).map(({ key, setting, running, waiting }) => [
          key,
          setting,
          running,
          waiting,
        ]),
        [['bank', { key: 'bank', maxRunning: 0 }, 3, 3]],
      );
      await store.setLimit(namespace, { key: 'bank' });
      assert.equal((await readyIds(store)).length, 3);
      assert.equal(await store.removeLimit(namespace, 'bank'), true);
      assert.equal(await store.removeLimit(namespace, 'bank'), false);
      await submit(store, { limits: one });
      assert.deepEqual(await readyIds(store), []);
    },
  },
  {
    promise: 'under a rate only so many start within its interval, and the rest in turn as it goes by',
    async run({ store, advance }) {
      const limits = [{ key: 'api', rate: { count: 2, intervalMs: 10_000 } }];
      const ids = await submitMany(store, 4, limits);
      assert.deepEqual(await readyIds(store), ids.slice(0, 2));
      const now = await store.now();
      const nextAt = (await store.promoteDue(10)) ?? assert.fail('the next start has a time');
      assert.ok(nextAt > now && nextAt <= now + 5_000, `the next start is ${nextAt - now} ms away`);
      assert.equal((await store.limit(namespace, 'api')).nextStartAt, nextAt);
      await advance(6_000);
      await store.promoteDue(10);
      assert.deepEqual(await readyIds(store), [ids[2]]);
      await advance(6_000);
      await store.promoteDue(10);
      assert.deepEqual(await readyIds(store), [ids[3]]);
      await advance(20_000);
      assert.equal(await store.promoteDue(10), undefined);
      const more = await submitMany(store, 3, limits);
      assert.deepEqual(await readyIds(store), more.slice(0, 2));
    },
  },
  {
    promise: 'a reopened task lines up for its key',
    async run({ store }) {
      const failed = await submitAndClaim(store, { limits: one });
      await finish(store, failed, 'failed');
      const running = await submitAndClaim(store, { limits: one });
      await store.write({ op: 'reopen', namespace, taskId: failed.taskId, itemId: newTask().id });
      assert.deepEqual(await readyIds(store), []);
      await finish(store, running);
      assert.deepEqual(await readyIds(store), [failed.taskId]);
    },
  },
];
