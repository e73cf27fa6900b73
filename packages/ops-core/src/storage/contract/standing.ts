import assert from 'node:assert/strict';
import {
  claim,
  entry,
  finish,
  item,
  leaseTtlMs,
  namespace,
  newWorker,
  post,
  release,
  type StoreCase,
  submit,
  submitAndClaim,
  suspend,
  wait,
} from './scenario.ts';

export const standingCases: readonly StoreCase[] = [
  {
    promise: 'where a pending task stands names what is before it',
    async run({ store }) {
      const now = await store.now();
      const ready = await submit(store);
      assert.deepEqual(await store.standing(namespace, ready), {
        state: 'ready',
        dueAt: (await store.standing(namespace, ready))?.dueAt,
        workers: [],
        asked: [],
      });
      const later = await submit(store, { dueAt: now + 60_000 });
      const standing = await store.standing(namespace, later);
      assert.deepEqual([standing?.state, standing?.dueAt], ['later', now + 60_000]);
      const [first, second] = [
        await submit(store, { sessionId: 's' }),
        await submit(store, { sessionId: 's' }),
      ];
      const held = await store.standing(namespace, second);
      assert.deepEqual([held?.state, held?.behindTaskId], ['held', first]);
      const limits = [{ key: 'bank', maxRunning: 1 }];
      const [holder, limited] = [await submit(store, { limits }), await submit(store, { limits })];
      assert.deepEqual((await store.standing(namespace, limited))?.limit, {
        key: 'bank',
        running: 1,
        waiting: 1,
        holders: [holder],
        inForce: { key: 'bank', maxRunning: 1 },
      });
      assert.equal(await store.standing('other', ready), undefined);
    },
  },
  {
    promise: 'where a running task stands names its worker and until when it holds it',
    async run({ store, advance }) {
      const owner = await submitAndClaim(store);
      const before = await store.now();
      const { state, worker } = (await store.standing(namespace, owner.taskId)) ?? assert.fail();
      assert.deepEqual(
        [state, worker?.id, worker?.host, worker?.pid, worker?.deadlineAt],
        ['running', owner.workerId, 'host', process.pid, owner.deadlineAt],
      );
      const leftMs = (worker?.leaseUntilAt ?? 0) - before;
      assert.ok(leftMs > 0 && leftMs <= leaseTtlMs, `${leftMs} ms are left of the lease`);
      await post(store, owner.taskId, item('pause'));
      assert.deepEqual((await store.standing(namespace, owner.taskId))?.asked, ['pause']);
      await advance(leaseTtlMs + 1);
      const expired = await store.standing(namespace, owner.taskId);
      assert.deepEqual([expired?.state, expired?.worker?.leaseUntilAt], ['running', undefined]);
    },
  },
  {
    promise:
      'a task that was asked to end stands so until it has ended, also when its attempt has heard of it',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const cancel = item('cancel');
      await post(store, owner.taskId, cancel);
      const asked = async () => (await store.standing(namespace, owner.taskId))?.asked;
      assert.deepEqual(await asked(), ['cancel']);
      const entries = [entry(1, { type: 'cancel.requested', data: '{"reason":"no"}' })];
      await store.write({ op: 'append', owner, entries, takes: [cancel.id] });
      assert.deepEqual(await asked(), ['cancel']);
    },
  },
  {
    promise: 'a task that waits, is put off or has ended stands as it does',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      await suspend(store, owner, [wait({ key: 'signal:go' })]);
      assert.equal((await store.standing(namespace, owner.taskId))?.state, 'waiting');
      await post(store, owner.taskId, item('pause'));
      assert.equal((await store.standing(namespace, owner.taskId))?.state, 'paused');
      const put = await submitAndClaim(store);
      await release(store, put, 5_000);
      assert.equal((await store.standing(namespace, put.taskId))?.state, 'later');
      const ended = await submitAndClaim(store);
      await finish(store, ended);
      assert.equal(await store.standing(namespace, ended.taskId), undefined);
    },
  },
  {
    promise: 'the workers of a queue are those that claim from it and live',
    async run({ store, advance }) {
      const elsewhere = await submit(store, { queue: 'elsewhere' });
      const here = await submit(store);
      const dead = await newWorker(store, 1_000);
      await advance(1_001);
      const alive = await newWorker(store);
      assert.deepEqual((await store.standing(namespace, elsewhere))?.workers, []);
      const workers = (await store.standing(namespace, here))?.workers ?? [];
      assert.deepEqual(
        workers.map(({ id, queues }) => [id, queues]),
        [[alive, ['default']]],
      );
      assert.notEqual(dead, alive);
      await claim(store, alive);
    },
  },
];
