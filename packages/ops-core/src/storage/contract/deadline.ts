import assert from 'node:assert/strict';
import { endingMs } from '../claim-request.ts';
import type { Store } from '../store.ts';
import {
  attemptTimeoutMs,
  claimOnly,
  entry,
  finish,
  item,
  leaseTtlMs,
  lost,
  namespace,
  newTask,
  post,
  queue,
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

const timeoutMs = 20_000;
/** Longer than any test takes: a store's time goes on by itself when its clock stands still. */
const pastMs = timeoutMs + 60_000;

async function errorOf(
  store: Store,
  taskId: string,
): Promise<{ code: string; details: Record<string, unknown> }> {
  const { outcome = '{}' } = await task(store, taskId);
  return (JSON.parse(outcome) as { error: { code: string; details: Record<string, unknown> } }).error;
}

/** Lets the time of such tasks go by, and what has to happen then. */
async function pass(subject: { store: Store; advance(ms: number): void | Promise<void> }): Promise<void> {
  await subject.advance(pastMs);
  await subject.store.promoteDue(100);
}

export const deadlineCases: readonly StoreCase[] = [
  {
    promise: 'a task that nobody has run by its deadline fails as deadline_exceeded, whatever held it back',
    async run(subject) {
      const { store } = subject;
      const other = await submitAndClaim(store, { sessionId: 's', limits: [{ key: 'bank', maxRunning: 1 }] });
      await store.changeQueue(namespace, 'paused', { pause: { by: 'ada' } });
      const now = await store.now();
      const ids = [
        await submit(store, { timeoutMs }),
        await submit(store, { timeoutMs, dueAt: now + 10 * pastMs }),
        await submit(store, { timeoutMs, sessionId: 's' }),
        await submit(store, { timeoutMs, limits: [{ key: 'bank', maxRunning: 1 }] }),
        await submit(store, { timeoutMs, queue: 'paused' }),
        await submit(store, { deadlineAt: now + 500 }),
      ];
      await post(store, ids[0] ?? '', item('pause'));
      const { deadlineAt, createdAt } = await task(store, ids[0] ?? '');
      assert.equal(deadlineAt, createdAt + timeoutMs);
      assert.equal(await store.promoteDue(100), now + 500);
      await pass(subject);
      for (const id of ids) {
        assert.equal(await status(store, id), 'failed');
        assert.equal((await errorOf(store, id)).code, 'deadline_exceeded');
        assert.deepEqual(
          (await store.journal(id, 0, 10)).map(({ seq, type }) => [seq, type]),
          [[1, 'task.failed']],
        );
      }
      const found = await store.taskIds({ namespace, errorCode: 'deadline_exceeded' }, { limit: 10 });
      assert.deepEqual([...found].sort(), [...ids].sort());
      assert.deepEqual([await status(store, other.taskId), await readyIds(store)], ['running', []]);
    },
  },
  {
    promise: 'a waiting task fails at its deadline, and late word is refused',
    async run(subject) {
      const { store } = subject;
      const owner = await submitAndClaim(store, { timeoutMs });
      await suspend(store, owner, [wait({ key: 'signal:go' })]);
      await pass(subject);
      const { failures, waits } = await task(store, owner.taskId);
      assert.deepEqual([await status(store, owner.taskId), failures, waits], ['failed', 1, []]);
      const late = await post(store, owner.taskId, item('signal', { key: 'signal:go' }));
      assert.deepEqual(late, { ok: false, reason: 'wrong_state', status: 'failed' });
    },
  },
  {
    promise: 'a running task is left to its worker; when that is gone it fails, and a late write is refused',
    async run(subject) {
      const { store, advance } = subject;
      const owner = await submitAndClaim(store, { timeoutMs });
      assert.deepEqual(
        [owner.taskDeadlineAt, owner.deadlineAt],
        [owner.createdAt + timeoutMs, owner.createdAt + timeoutMs + endingMs],
      );
      const brief = await submitAndClaim(store, { timeoutMs: 2 * attemptTimeoutMs });
      assert.equal(brief.deadlineAt, brief.claimedAt + attemptTimeoutMs);
      await pass(subject);
      assert.equal(await status(store, owner.taskId), 'running');
      await advance(leaseTtlMs);
      await store.sweep(100);
      await store.promoteDue(100);
      assert.equal((await errorOf(store, owner.taskId)).code, 'deadline_exceeded');
      assert.deepEqual(await finish(store, owner), lost);
      assert.equal(await status(store, owner.taskId), 'failed');
    },
  },
  {
    promise:
      'an end in time stands, and one that is put off beyond its deadline fails without another attempt',
    async run(subject) {
      const { store } = subject;
      const inTime = await submitAndClaim(store, { timeoutMs });
      assert.ok((await finish(store, inTime)).ok);
      const putOff = await submitAndClaim(store, { timeoutMs });
      await release(store, putOff, 10);
      await pass(subject);
      assert.deepEqual(
        [await status(store, inTime.taskId), await status(store, putOff.taskId), await readyIds(store)],
        ['completed', 'failed', []],
      );
    },
  },
  {
    promise: 'its parent is told, its children are asked to end, its session goes on and its place is free',
    async run(subject) {
      const { store } = subject;
      const limits = [{ key: 'bank', maxRunning: 1 }];
      const parent = await submitAndClaim(store);
      const middle = newTask({ parentId: parent.taskId, timeoutMs, limits });
      await store.write({ op: 'append', owner: parent, entries: [entry(1)], children: [middle] });
      await suspend(store, parent, [wait({ kind: 'child', key: `child:${middle.id}` })]);
      const owner = await claimOnly(store, middle.id);
      const child = newTask({ parentId: middle.id, queue: 'beside' });
      await store.write({ op: 'append', owner, entries: [entry(1)], children: [child] });
      await suspend(store, owner, [wait({ kind: 'child', key: `child:${child.id}` })]);
      const [first, second] = [
        await submit(store, { sessionId: 's', limits, timeoutMs }),
        await submit(store, { sessionId: 's', limits }),
      ];
      await pass(subject);
      const [told] = await store.inbox(parent.taskId);
      const { status: ended, error } = JSON.parse(told?.data ?? '{}') as {
        status: string;
        error: { code: string };
      };
      assert.deepEqual([told?.key, ended, error.code], [`child:${middle.id}`, 'failed', 'deadline_exceeded']);
      assert.equal(await status(store, child.id), 'cancelled');
      assert.equal(await status(store, first), 'failed');
      assert.deepEqual((await readyIds(store)).sort(), [parent.taskId, second].sort());
    },
  },
  {
    promise: 'effects in doubt are named in its error, and those that were settled are not',
    async run(subject) {
      const { store } = subject;
      const owner = await submitAndClaim(store, { timeoutMs });
      const call = (
        seq: number,
        type: 'step.intended' | 'step.completed' | 'step.failed',
        name: string,
        branch = '',
      ) => entry(seq, { type, name, branch, count: 1, data: '{}' });
      const entries = [
        call(1, 'step.intended', 'charge'),
        call(2, 'step.intended', 'mail', 'all:1:0'),
        call(3, 'step.completed', 'charge'),
        call(4, 'step.intended', 'mail'),
        call(5, 'step.failed', 'mail'),
      ];
      await store.write({ op: 'append', owner, entries });
      await suspend(store, owner, [wait({ kind: 'doubt', key: 'decision:hash' })]);
      await pass(subject);
      const { details } = await errorOf(store, owner.taskId);
      assert.deepEqual(details.inDoubt, ['all:1:0/mail']);
    },
  },
  {
    promise: 'a task that is retried after its deadline has as much time again',
    async run(subject) {
      const { store } = subject;
      const taskId = await submit(store, { timeoutMs });
      await pass(subject);
      await store.write({ op: 'reopen', namespace, taskId, itemId: newTask().id });
      const { deadlineAt = 0 } = await task(store, taskId);
      assert.ok(deadlineAt > (await store.now()) && deadlineAt <= (await store.now()) + timeoutMs);
      await store.promoteDue(100);
      assert.equal(await status(store, taskId), 'pending');
      await pass(subject);
      assert.equal(await status(store, taskId), 'failed');
      const types = (await store.journal(taskId, 0, 10)).map(({ type }) => type);
      assert.deepEqual(types, ['task.failed', 'task.failed']);
    },
  },
  {
    promise: 'no more overdue tasks end in one call than it is told, and the next time is said',
    async run({ store, advance }) {
      for (let n = 0; n < 5; n += 1) await submit(store, { timeoutMs, queue });
      const later = await submit(store, { timeoutMs: 10 * pastMs });
      await advance(pastMs);
      for (let n = 0; n < 3; n += 1) await store.promoteDue(2);
      const ended = await store.taskIds({ namespace, status: ['failed'] }, { limit: 10 });
      const { deadlineAt } = await task(store, later);
      assert.deepEqual([ended.length, await store.promoteDue(2)], [5, deadlineAt]);
    },
  },
];
