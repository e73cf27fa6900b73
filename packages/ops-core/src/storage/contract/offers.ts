import assert from 'node:assert/strict';
import { endingMs } from '../claim-request.ts';
import {
  attemptTimeoutMs,
  claim,
  finish,
  leaseTtlMs,
  namespace,
  newTask,
  newWorker,
  offering,
  queue,
  readyIds,
  release,
  type StoreCase,
  status,
  submit,
  task,
} from './scenario.ts';

export const offerCases: readonly StoreCase[] = [
  {
    promise:
      'a task that a worker offers to begin is that worker’s as it is created, as if it had been claimed',
    async run({ store }) {
      const workerId = await newWorker(store);
      const seen = offering(store, workerId);
      const taskId = await submit(store, { input: '{"a":1}', options: '{}', kind: 'agent', name: 'helper' });
      const { createdAt } = await task(store, taskId);
      const [begun] = seen.begun;
      assert.ok(begun);
      const { onDisk, ...claimed } = begun;
      assert.equal(await onDisk, undefined);
      assert.deepEqual(claimed, {
        taskId,
        attempt: 1,
        workerId,
        namespace,
        kind: 'agent',
        name: 'helper',
        queue,
        input: '{"a":1}',
        options: '{}',
        failures: 0,
        lastSeq: 0,
        hasInbox: false,
        createdAt,
        claimedAt: createdAt,
        deadlineAt: createdAt + attemptTimeoutMs,
      });
      assert.deepEqual([await status(store, taskId), seen.rung, seen.changed], ['running', 0, [taskId]]);
      assert.deepEqual(await readyIds(store), []);
      assert.ok((await finish(store, claimed)).ok);
      assert.equal(await status(store, taskId), 'completed');
    },
  },
  {
    promise: 'a task that was begun at once has its own limits of time',
    async run({ store }) {
      const seen = offering(store, await newWorker(store));
      await submit(store, { attemptTimeoutMs: 50 });
      await submit(store, { timeoutMs: 1000 });
      const [short, whole] = seen.begun;
      assert.ok(short && whole);
      assert.equal(short.deadlineAt, short.createdAt + 50);
      assert.equal(whole.taskDeadlineAt, whole.createdAt + 1000);
      assert.equal(whole.deadlineAt, whole.createdAt + 1000 + endingMs);
      assert.equal((await task(store, whole.taskId)).deadlineAt, whole.createdAt + 1000);
    },
  },
  {
    promise: 'nobody is asked to begin a task that waits for a turn, a limit, a time or its parent',
    async run({ store }) {
      const seen = offering(store, await newWorker(store));
      await submit(store, { sessionId: 'session' });
      await submit(store, { limits: [{ key: 'key', maxRunning: 1 }] });
      await submit(store, { dueAt: (await store.now()) + 1000 });
      await submit(store, { parentId: newTask().id, parentKey: 'child' });
      await store.submitMany([newTask()]);
      assert.deepEqual([seen.asked, seen.begun], [0, []]);
    },
  },
  {
    promise: 'a task of a paused queue, or of a worker without a lease, waits for its turn',
    async run({ store, advance }) {
      const seen = offering(store, await newWorker(store));
      await store.changeQueue(namespace, queue, { pause: { by: 'ada' } });
      const held = await submit(store);
      const elsewhere = await submit(store, { namespace: 'other' });
      assert.deepEqual(
        seen.begun.map(({ taskId }) => taskId),
        [elsewhere],
      );
      await store.changeQueue(namespace, queue, { pause: null });
      await advance(leaseTtlMs + 1);
      const late = await submit(store);
      assert.equal(seen.begun.length, 1);
      assert.ok(seen.rung >= 2);
      assert.deepEqual(await readyIds(store), [held, late]);
      assert.deepEqual(seen.ended, [false, false, false]);
    },
  },
  {
    promise: 'a task that was there already is not begun again',
    async run({ store }) {
      const seen = offering(store, await newWorker(store));
      const first = newTask({ idempotencyKey: 'key', requestDigest: 'a' });
      const submitAs = (changes: Parameters<typeof newTask>[0]) =>
        store.write({ op: 'submit', task: newTask({ ...first, ...changes }) });
      await submitAs({});
      const [existing, conflict] = [
        await submitAs({ id: newTask().id }),
        await submitAs({ id: newTask().id, requestDigest: 'b' }),
      ];
      assert.deepEqual([existing.outcome, conflict.outcome], ['existing', 'conflict']);
      assert.deepEqual(
        seen.begun.map(({ taskId }) => taskId),
        [first.id],
      );
      assert.deepEqual(seen.ended, [false, false, false]);
    },
  },
  {
    promise: 'of many that are submitted at once each is begun once, and a broken one among them spoils none',
    async run({ store }) {
      const workerId = await newWorker(store);
      const seen = offering(store, workerId);
      const broken = newTask({ input: 5n as unknown as string, name: undefined as unknown as string });
      const submitting = Array.from({ length: 60 }, () => submit(store));
      await assert.rejects(store.write({ op: 'submit', task: broken }));
      const ids = await Promise.all(submitting);
      await store.giveBackOthers(
        workerId,
        seen.begun.map(({ taskId, attempt }) => ({ taskId, attempt })),
      );
      const claimed = await claim(store, await newWorker(store));
      const all = [...seen.begun, ...claimed].map(({ taskId }) => taskId);
      assert.deepEqual(all.sort(), ids.sort());
      assert.equal(seen.ended.length, 61);
    },
  },
  {
    promise: 'what was begun at once is put off, taken over and given back as anything else',
    async run({ store, advance }) {
      const workerId = await newWorker(store);
      const seen = offering(store, workerId);
      const [putOff, unknown, left] = [await submit(store), await submit(store), await submit(store)];
      const [first] = seen.begun;
      assert.ok(first);
      await release(store, first, 1000);
      assert.equal(await store.giveBackOthers(workerId, [{ taskId: left, attempt: 1 }]), 1);
      assert.deepEqual(await readyIds(store), [unknown]);
      await store.removeWorker(workerId);
      await advance(1000);
      await store.promoteDue(10);
      const again = await claim(store, await newWorker(store));
      assert.deepEqual(
        again.map(({ taskId, attempt }) => [taskId, attempt]),
        [
          [left, 2],
          [putOff, 2],
        ].sort((a, b) => Number(a[0] === putOff) - Number(b[0] === putOff)),
      );
    },
  },
];
