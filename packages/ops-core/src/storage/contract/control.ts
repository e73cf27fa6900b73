import assert from 'node:assert/strict';
import { newId } from '../../domain/new-id.ts';
import {
  claimOnly,
  entry,
  finish,
  item,
  namespace,
  post,
  readyIds,
  release,
  type StoreCase,
  status,
  submit,
  submitAndClaim,
  suspend,
  task,
  wait,
} from './scenario.ts';

const reopen = (taskId: string, itemId = newId(), space = namespace) =>
  ({ op: 'reopen', namespace: space, taskId, itemId }) as const;

export const controlCases: readonly StoreCase[] = [
  {
    promise:
      'a cancel wakes a task that has begun and waits, is due later, or is paused, so that an attempt writes the end',
    async run({ store }) {
      const waiting = await submitAndClaim(store);
      await suspend(store, waiting, [wait({ key: 'signal:x' })]);
      const later = await submitAndClaim(store);
      await release(store, later, 60_000);
      const paused = await submitAndClaim(store);
      await store.write({ op: 'pause', owner: paused, entries: [], reason: 'budget' });
      for (const { taskId } of [waiting, later, paused]) {
        assert.deepEqual(await post(store, taskId, item('cancel')), { ok: true });
        const owner = await claimOnly(store, taskId);
        assert.equal(owner.hasInbox, true);
        assert.ok((await finish(store, owner, 'cancelled', owner.lastSeq + 1)).ok);
        assert.equal(await status(store, taskId), 'cancelled');
      }
    },
  },
  {
    promise:
      'a cancel ends a task that no attempt has begun at once, whatever holds it back, and needs no worker for it',
    async run({ store }) {
      const later = { dueAt: (await store.now()) + 60_000 };
      const [one] = [[{ key: 'one', maxRunning: 1 }]];
      const first = await submitAndClaim(store, { limits: one, sessionId: 's' });
      const paused = await submit(store);
      await post(store, paused, item('pause'));
      const behind = await submit(store, { sessionId: 's' });
      const last = await submit(store, { sessionId: 's' });
      const ids = [
        await submit(store),
        await submit(store, later),
        await submit(store, { limits: one }),
        paused,
        behind,
      ];
      for (const taskId of ids) {
        const cancel = item('cancel', { data: '{"reason":"no \\u0000 \\"more\\""}' });
        assert.deepEqual(await post(store, taskId, cancel), { ok: true });
        assert.deepEqual(await post(store, taskId, cancel), { ok: true }, 'told again');
        const row = await task(store, taskId);
        assert.deepEqual([row.status, row.attempt, row.lastSeq, row.failures], ['cancelled', 0, 1, 0]);
        const [end] = await store.journal(taskId, 0, 10);
        assert.deepEqual(
          [end?.type, JSON.parse(end?.data ?? '')],
          ['task.cancelled', { reason: 'no \0 "more"' }],
        );
        assert.deepEqual(await store.inbox(taskId), []);
      }
      assert.deepEqual(await readyIds(store), []);
      await finish(store, first);
      assert.deepEqual(await readyIds(store), [last], 'the session goes on, and the key is free');
      assert.deepEqual((await store.limit(namespace, 'one')).waiting, 0);
    },
  },
  {
    promise: 'a task that is cancelled before it began gives its place under a key to the next',
    async run({ store }) {
      const limits = [{ key: 'one', maxRunning: 1 }];
      const first = await submit(store, { limits });
      const next = await submit(store, { limits });
      await post(store, first, item('cancel'));
      assert.deepEqual(await readyIds(store), [next]);
    },
  },
  {
    promise: 'a cancel that the owner did not take is heeded when it gives the task back for later',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      await post(store, owner.taskId, item('cancel'));
      await release(store, owner, 60_000);
      assert.deepEqual(await readyIds(store), [owner.taskId]);
    },
  },
  {
    promise: 'a pause stops a task without an owner at once; signals do not wake it, a resume does',
    async run({ store }) {
      const waiting = await submitAndClaim(store);
      const open = wait({ key: 'signal:go' });
      await suspend(store, waiting, [open]);
      const { taskId } = waiting;
      await post(store, taskId, item('pause'));
      const row = await task(store, taskId);
      assert.deepEqual([row.status, row.pausedReason, row.waits], ['paused', 'operator', [open]]);
      assert.deepEqual(await store.inbox(taskId), []);
      await post(store, taskId, item('signal', { key: 'signal:go' }));
      assert.equal(await status(store, taskId), 'paused');
      await post(store, taskId, item('resume'));
      assert.equal(await status(store, taskId), 'pending');
      assert.equal((await task(store, taskId)).pausedReason, undefined);
      assert.deepEqual(await readyIds(store), [taskId]);
      assert.deepEqual(
        (await store.inbox(taskId)).map(({ kind }) => kind),
        ['signal', 'resume'],
      );
    },
  },
  {
    promise: 'a ready task that is paused is not claimed until it is resumed',
    async run({ store }) {
      const taskId = await submit(store);
      await post(store, taskId, item('pause'));
      assert.deepEqual(await readyIds(store), []);
      await post(store, taskId, item('resume'));
      assert.deepEqual(await readyIds(store), [taskId]);
    },
  },
  {
    promise: 'a paused task that is resumed before its time is due then',
    async run({ store, advance }) {
      const dueAt = (await store.now()) + 5000;
      const taskId = await submit(store, { dueAt });
      await post(store, taskId, item('pause'));
      assert.equal(await store.promoteDue(10), undefined);
      await post(store, taskId, item('resume'));
      assert.equal(await store.promoteDue(10), dueAt);
      assert.deepEqual(await readyIds(store), []);
      await advance(5000);
      await store.promoteDue(10);
      assert.deepEqual(await readyIds(store), [taskId]);
    },
  },
  {
    promise: 'an owner takes a pause and pauses with its reason; what came after it is heeded',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const pause = item('pause');
      await post(store, owner.taskId, pause);
      assert.equal(await status(store, owner.taskId), 'running');
      const entries = [entry(1, { type: 'task.paused' })];
      const write = { op: 'pause', owner, entries, reason: 'operator', takes: [pause.id] } as const;
      assert.ok((await store.write(write)).ok);
      assert.equal(await status(store, owner.taskId), 'paused');
      await post(store, owner.taskId, item('resume'));
      const next = await claimOnly(store, owner.taskId);
      const again = { op: 'pause', owner: next, entries: [], reason: 'budget' } as const;
      assert.ok((await store.write(again)).ok);
      assert.deepEqual(await readyIds(store), [owner.taskId], 'the resume was not taken');
    },
  },
  {
    promise: 'a failed task that is reopened is pending again, without its failures, and keeps its journal',
    async run({ store }) {
      const first = await submitAndClaim(store);
      await store.write({ op: 'release', owner: first, entries: [entry(1)], failures: 2, delayMs: 0 });
      const second = await claimOnly(store, first.taskId);
      await finish(store, second, 'failed', 2, '{"error":{}}');
      assert.equal((await task(store, first.taskId)).failures, 3, 'the end is a failure as well');
      const write = reopen(first.taskId);
      assert.deepEqual(await store.write(write), { ok: true });
      assert.deepEqual(await store.write(write), { ok: true });
      const row = await task(store, first.taskId);
      assert.deepEqual(
        [row.status, row.failures, row.outcome, row.finishedAt],
        ['pending', 0, undefined, undefined],
      );
      const third = await claimOnly(store, first.taskId);
      assert.deepEqual([third.attempt, third.lastSeq, third.hasInbox], [3, 2, true]);
      assert.deepEqual(
        (await store.journal(first.taskId, 0, 10)).map(({ type, data }) => [type, data]),
        [
          ['step.completed', undefined],
          ['task.failed', '{"error":{}}'],
        ],
      );
      assert.deepEqual(
        (await store.inbox(first.taskId)).map(({ id, kind }) => [id, kind]),
        [[write.itemId, 'reopen']],
      );
      assert.ok((await finish(store, second, 'failed', 2)).ok, 'the end was written before');
      assert.equal(await status(store, first.taskId), 'running');
      assert.ok((await finish(store, third, 'completed', 3)).ok);
      assert.equal(await status(store, first.taskId), 'completed');
    },
  },
  {
    promise: 'only a failed task is reopened',
    async run({ store }) {
      const notFound = { ok: false, reason: 'not_found' };
      assert.deepEqual(await store.write(reopen(newId())), notFound);
      const owner = await submitAndClaim(store);
      const wrongState = (state: string) => ({ ok: false, reason: 'wrong_state', status: state });
      assert.deepEqual(await store.write(reopen(owner.taskId)), wrongState('running'));
      await finish(store, owner, 'cancelled');
      assert.deepEqual(await store.write(reopen(owner.taskId)), wrongState('cancelled'));
      const failed = await submitAndClaim(store);
      await finish(store, failed, 'failed');
      assert.deepEqual(await store.write(reopen(failed.taskId, newId(), 'other')), notFound);
    },
  },
];
