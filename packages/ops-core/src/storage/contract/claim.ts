import assert from 'node:assert/strict';
import { newId } from '../../domain/new-id.ts';
import {
  attemptTimeoutMs,
  claim,
  claimOnly,
  item,
  newWorker,
  post,
  queue,
  readyIds,
  release,
  type StoreCase,
  status,
  submit,
  submitAndClaim,
  suspend,
  wait,
} from './scenario.ts';

export const claimCases: readonly StoreCase[] = [
  {
    promise: 'a claim gives the task with its input, raises the attempt and sets its deadline',
    async run({ store }) {
      const taskId = await submit(store, { input: '{"a":1}', options: '{}', sessionId: 'session' });
      const workerId = await newWorker(store);
      const [claimed] = await claim(store, workerId);
      assert.ok(claimed);
      const { createdAt, claimedAt } = claimed;
      assert.deepEqual(claimed, {
        taskId,
        attempt: 1,
        workerId,
        namespace: 'default',
        kind: 'function',
        name: 'noop',
        queue,
        input: '{"a":1}',
        options: '{}',
        sessionId: 'session',
        failures: 0,
        lastSeq: 0,
        hasInbox: false,
        createdAt,
        claimedAt,
        deadlineAt: claimedAt + attemptTimeoutMs,
      });
      assert.equal(await status(store, taskId), 'running');
    },
  },
  {
    promise: 'a task’s own time limit goes before the claim’s',
    async run({ store }) {
      const claimed = await claimOnly(store, await submit(store, { attemptTimeoutMs: 50 }));
      assert.equal(claimed.deadlineAt, claimed.claimedAt + 50);
    },
  },
  {
    promise: 'no task is claimed twice, and never more than the limit',
    async run({ store }) {
      const ids = await Promise.all(Array.from({ length: 30 }, () => submit(store)));
      const [a, b] = [await newWorker(store), await newWorker(store)];
      const claims = await Promise.all([
        claim(store, a, { limit: 12 }),
        claim(store, b, { limit: 12 }),
        claim(store, a, { limit: 12 }),
      ]);
      assert.deepEqual(
        claims.map((tasks) => tasks.length),
        [12, 12, 6],
      );
      assert.deepEqual(new Set(claims.flat().map((task) => task.taskId)), new Set(ids));
    },
  },
  {
    promise: 'claims go by priority, then due time, then id',
    async run({ store, advance }) {
      const now = await store.now();
      const [first, second] = [newId(), newId()];
      const late = await submit(store, { priority: 5, dueAt: now + 20 });
      const early = await submit(store, { priority: 5, dueAt: now + 10 });
      await submit(store, { id: second, priority: 5, dueAt: now + 30 });
      await submit(store, { id: first, priority: 5, dueAt: now + 30 });
      const urgent = await submit(store, { priority: 0, dueAt: now + 40 });
      const idle = await submit(store, { priority: 9, dueAt: now + 1 });
      await advance(100);
      await store.promoteDue(100);
      assert.deepEqual(await readyIds(store), [urgent, early, late, first, second, idle]);
    },
  },
  {
    promise: 'a claim on several queues gives the most urgent first, and takes of no other queue',
    async run({ store }) {
      const a = await submit(store, { queue: 'a', priority: 3 });
      const b = await submit(store, { queue: 'b', priority: 1 });
      await submit(store, { queue: 'c', priority: 0 });
      const last = await submit(store, { queue: 'a', priority: 7 });
      const workerId = await newWorker(store);
      const ids = async (limit: number) =>
        (await claim(store, workerId, { queues: ['a', 'b'], limit })).map((task) => task.taskId);
      assert.deepEqual(await ids(2), [b, a]);
      assert.deepEqual(await ids(2), [last]);
    },
  },
  {
    promise: 'a claim for some definitions passes over the tasks of others, however many stand before theirs',
    async run({ store }) {
      for (let place = 0; place < 30; place++) await submit(store, { name: 'foreign', priority: 1 });
      const own = [await submit(store, { priority: 7 }), await submit(store, { priority: 9 })];
      await submit(store, { kind: 'workflow', priority: 8 });
      const workerId = await newWorker(store);
      const names = async (limit: number) =>
        (await claim(store, workerId, { limit, definitions: ['function noop', 'agent foreign'] })).map(
          (task) => task.taskId,
        );
      assert.deepEqual(await names(1), own.slice(0, 1));
      assert.deepEqual(await names(10), own.slice(1));
      assert.deepEqual(await names(10), []);
      assert.equal((await claim(store, workerId, { limit: 100 })).length, 31);
    },
  },
  {
    promise: 'so does one from several queues and namespaces, and one of tasks that were asked to end',
    async run({ store }) {
      const own: string[] = [];
      for (const lane of ['a', 'b'].flatMap((name) =>
        ['x', 'y'].map((namespace) => ({ queue: name, namespace })),
      )) {
        await submit(store, { ...lane, name: 'foreign', priority: 0 });
        own.push(await submit(store, lane));
      }
      const begun = [await submitAndClaim(store), await submitAndClaim(store, { name: 'foreign' })] as const;
      for (const owner of begun) {
        await suspend(store, owner, [wait()]);
        await post(store, owner.taskId, item('cancel'));
      }
      const workerId = await newWorker(store);
      const claimed = await claim(store, workerId, {
        queues: ['a', 'b', queue],
        definitions: ['function noop'],
      });
      assert.deepEqual(claimed.map((task) => task.taskId).sort(), [...own, begun[0].taskId].sort());
    },
  },
  {
    promise: 'a task that is due later is not claimed before, and promoteDue gives the next due time',
    async run({ store, advance }) {
      const now = await store.now();
      const soon = await submit(store, { dueAt: now + 1000 });
      const later = await submit(store, { dueAt: now + 5000 });
      assert.equal(await store.promoteDue(10), now + 1000);
      assert.deepEqual(await readyIds(store), []);
      assert.equal(await status(store, soon), 'pending');
      await advance(1000);
      assert.equal(await store.promoteDue(10), now + 5000);
      assert.deepEqual(await readyIds(store), [soon]);
      await advance(4000);
      assert.equal(await store.promoteDue(10), undefined);
      assert.deepEqual(await readyIds(store), [later]);
    },
  },
  {
    promise: 'promoteDue makes at most as many ready as it is told, the longest due first',
    async run({ store, advance }) {
      const now = await store.now();
      const ids: string[] = [];
      for (const delay of [1, 2, 3]) ids.push(await submit(store, { dueAt: now + delay }));
      await advance(10);
      assert.equal(await store.promoteDue(2), now + 3);
      assert.deepEqual(await readyIds(store), ids.slice(0, 2));
    },
  },
  {
    promise: 'a worker without a lease cannot claim',
    async run({ store, advance }) {
      await submit(store);
      await assert.rejects(claim(store, newId()), { code: 'lease_lost' });
      const expired = await newWorker(store, 1000);
      await advance(1000);
      await assert.rejects(claim(store, expired), { code: 'lease_lost' });
      const removed = await newWorker(store);
      await store.removeWorker(removed);
      await assert.rejects(claim(store, removed), { code: 'lease_lost' });
      assert.equal((await readyIds(store)).length, 1);
    },
  },
  {
    promise: 'a task that is given back at once can be claimed at once, with its failures kept',
    async run({ store }) {
      const taskId = await submit(store);
      const first = await claimOnly(store, taskId);
      assert.ok(
        (await store.write({ op: 'release', owner: first, entries: [], failures: 3, delayMs: 0 })).ok,
      );
      const second = await claimOnly(store, taskId);
      assert.deepEqual([second.attempt, second.failures], [2, 3]);
    },
  },
  {
    promise: 'a task that is given back for later is pending until then',
    async run({ store, advance }) {
      const taskId = await submit(store);
      const result = await release(store, await claimOnly(store, taskId), 2000);
      assert.ok(result.ok);
      assert.equal(await status(store, taskId), 'pending');
      assert.equal(await store.promoteDue(10), result.at + 2000);
      assert.deepEqual(await readyIds(store), []);
      await advance(2000);
      await store.promoteDue(10);
      assert.deepEqual(await readyIds(store), [taskId]);
    },
  },
];
