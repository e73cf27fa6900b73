import assert from 'node:assert/strict';
import type { Store } from '../store.ts';
import {
  claim,
  claimOnly,
  finish,
  item,
  leaseTtlMs,
  namespace,
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

const by = 'ada';
const pause = (store: Store, name = queue) => store.changeQueue(namespace, name, { pause: { by } });
const resume = (store: Store, name = queue) => store.changeQueue(namespace, name, { pause: null });

export const queueCases: readonly StoreCase[] = [
  {
    promise: 'a paused queue starts nothing, and what it held starts when it is resumed, in its order',
    async run({ store }) {
      const before = await submit(store);
      await pause(store);
      const urgent = await submit(store, { priority: 0 });
      assert.deepEqual(await readyIds(store), []);
      assert.equal(await status(store, before), 'pending');
      const rung: string[] = [];
      store.listen({ ready: (queues) => rung.push(...queues), changed() {}, posted() {} });
      await resume(store);
      assert.deepEqual(rung, [queue]);
      assert.deepEqual(await readyIds(store), [urgent, before]);
    },
  },
  {
    promise: 'a pause is of one queue in one namespace',
    async run({ store }) {
      await submit(store);
      const elsewhere = await submit(store, { namespace: 'other' });
      const beside = await submit(store, { queue: 'beside' });
      await pause(store);
      const claimed = await claim(store, await newWorker(store), { queues: [queue, 'beside'] });
      assert.deepEqual(claimed.map(({ taskId }) => taskId).sort(), [elsewhere, beside].sort());
    },
  },
  {
    promise: 'running tasks of a paused queue go on to their end; one that is put off or taken over is held',
    async run({ store, advance }) {
      const [ends, putOff, dies] = [
        await submitAndClaim(store),
        await submitAndClaim(store),
        await submitAndClaim(store),
      ];
      await pause(store);
      assert.ok((await finish(store, ends)).ok);
      await release(store, putOff, 1000);
      await advance(leaseTtlMs + 1);
      await store.promoteDue(10);
      await store.sweep(10);
      assert.deepEqual(await readyIds(store), []);
      await resume(store);
      assert.deepEqual((await readyIds(store)).sort(), [putOff.taskId, dies.taskId].sort());
    },
  },
  {
    promise: 'a waiting task that is woken in a paused queue is held until it is resumed',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      await suspend(store, owner, [wait({ key: 'signal:go' })]);
      await pause(store);
      await post(store, owner.taskId, item('signal', { key: 'signal:go' }));
      assert.deepEqual(await readyIds(store), []);
      await resume(store);
      assert.deepEqual(await readyIds(store), [owner.taskId]);
    },
  },
  {
    promise: 'a task of a paused queue can be cancelled, ready or waiting',
    async run({ store }) {
      const waiting = await submitAndClaim(store);
      await suspend(store, waiting, [wait({ key: 'signal:go' })]);
      const ready = await submitAndClaim(store);
      await release(store, ready, 0);
      await pause(store);
      for (const { taskId } of [ready, waiting]) {
        await post(store, taskId, item('cancel'));
        const owner = await claimOnly(store, taskId);
        assert.equal(owner.hasInbox, true);
        assert.ok((await finish(store, owner, 'cancelled')).ok);
      }
    },
  },
  {
    promise: 'the first pause of a queue stands with who made it and why, and its weight stays what it was',
    async run({ store, advance }) {
      await store.changeQueue(namespace, queue, { weight: 7 });
      await store.changeQueue(namespace, queue, { pause: { by, reason: 'The bank is closed\u0000' } });
      const { pause: first } = await store.queue(namespace, queue);
      assert.deepEqual({ ...first, at: 0 }, { at: 0, by, reason: 'The bank is closed\u0000' });
      await advance(1000);
      await store.changeQueue(namespace, queue, { pause: { by: 'grace' }, weight: 8 });
      const again = await store.queue(namespace, queue);
      assert.deepEqual([again.pause, again.weight], [first, 8]);
      const taskId = await submit(store);
      assert.deepEqual((await store.standing(namespace, taskId))?.queuePause, first);
      await resume(store);
      const { pause: none, weight } = await store.queue(namespace, queue);
      assert.deepEqual([none, weight], [undefined, 8]);
      assert.equal((await store.standing(namespace, taskId))?.queuePause, undefined);
    },
  },
  {
    promise: 'queues are listed with what is in them, in one namespace',
    async run({ store, advance }) {
      const owner = await submitAndClaim(store);
      await suspend(store, owner, [wait({ key: 'signal:go' })]);
      await submitAndClaim(store);
      const at = (await store.now()) + 1000;
      await submit(store, { dueAt: at });
      await advance(5);
      await submit(store, { priority: 7 });
      const { createdAt: oldestReadyAt } =
        (await store.tasks({ namespace }, { limit: 1 }))[0] ?? assert.fail();
      await advance(5);
      await submit(store, { priority: 1 });
      await submit(store, { namespace: 'other', queue: 'theirs' });
      await store.changeQueue(namespace, 'standing', { weight: 2 });
      const empty = { ready: 0, running: 0, waiting: 0, heldBack: 0 };
      assert.deepEqual(await store.queues(namespace), [
        { name: queue, weight: 1, ready: 2, running: 1, waiting: 1, heldBack: 1, oldestReadyAt },
        { name: 'standing', weight: 2, ...empty },
      ]);
      assert.deepEqual(await store.queue(namespace, 'unknown'), { name: 'unknown', weight: 1, ...empty });
    },
  },
  {
    promise: 'weights of queues and settings of namespaces are found together',
    async run({ store }) {
      await store.changeQueue('a', 'x', { weight: 3 });
      await store.changeQueue('a', 'y', { weight: 1 });
      await store.setNamespaceSettings('b', '{"weight":2}');
      const weights = [...(await store.weights())].sort((one, other) =>
        one.namespace < other.namespace ? -1 : 1,
      );
      assert.deepEqual(weights, [
        { namespace: 'a', queues: { x: 3 } },
        { namespace: 'b', settings: '{"weight":2}', queues: {} },
      ]);
    },
  },
];
