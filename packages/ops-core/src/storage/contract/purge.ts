import assert from 'node:assert/strict';
import { newId } from '../../domain/new-id.ts';
import type { PurgeRequest } from '../parts/housekeeping.ts';
import type { NewTask, Store } from '../store.ts';
import {
  claim,
  entry,
  finish,
  item,
  namespace,
  newTask,
  newWorker,
  post,
  type StoreCase,
  status,
  submit,
  submitAndClaim,
} from './scenario.ts';

const everything: Omit<PurgeRequest, 'endedBefore'> = {
  namespace,
  ended: 'completed',
  rows: 1000,
  entries: 10_000,
};

async function purge(store: Store, changes: Partial<PurgeRequest> = {}) {
  const now = (await store.now()) + 1;
  const endedBefore = { completed: now, failed: now, cancelled: now };
  return await store.purge({ ...everything, endedBefore, ...changes });
}

/** Both looks. How many were deleted. */
async function purgeAll(store: Store, changes: Partial<PurgeRequest> = {}): Promise<number> {
  const completed = await purge(store, changes);
  return completed.deleted + (await purge(store, { ...changes, ended: 'unsuccessful' })).deleted;
}

async function ended(
  store: Store,
  changes: Partial<NewTask> = {},
  how: Parameters<typeof finish>[2] = 'completed',
) {
  const owner = await submitAndClaim(store, changes);
  await finish(store, owner, how);
  return owner.taskId;
}

const isThere = async (store: Store, taskId: string): Promise<boolean> =>
  (await store.task(namespace, taskId)) !== undefined;

const big = JSON.stringify('x'.repeat(100_000));

export const purgeCases: readonly StoreCase[] = [
  {
    promise: 'a task that is deleted leaves nothing behind, and its idempotency key is free again',
    async run({ store }) {
      const changes = { input: big, idempotencyKey: 'k', sessionId: 's' };
      const owner = await submitAndClaim(store, changes);
      const { taskId } = owner;
      const signals = [item('signal', { key: 'signal:a', data: big }), item('signal', { key: 'signal:b' })];
      for (const signal of signals) await post(store, taskId, signal);
      const entries = [entry(1, { data: big })];
      const takes = [signals[0]?.id ?? ''];
      await store.write({ op: 'append', owner, entries, takes });
      await store.appendSession(namespace, 's', { runId: taskId, messages: '[]' });
      await finish(store, owner, 'completed', 2, big);
      assert.equal(await purgeAll(store), 1);
      assert.equal(await isThere(store, taskId), false);
      assert.deepEqual(await store.journal(taskId, 0, 10), []);
      assert.deepEqual(await store.inbox(taskId), []);
      assert.deepEqual(await store.session(namespace, 's'), []);
      const again = await store.write({ op: 'submit', task: newTask(changes) });
      assert.equal(again.outcome, 'created');
    },
  },
  {
    promise: 'each status has its own time, and what is unfinished is kept',
    async run({ store, advance }) {
      const old = [await ended(store), await ended(store, {}, 'failed'), await ended(store, {}, 'cancelled')];
      await advance(10_000);
      const young = await ended(store);
      const open = [await submit(store, { dueAt: (await store.now()) + 1_000_000 })];
      const at = (await store.now()) - 5_000;
      assert.equal(await purgeAll(store, { endedBefore: {} }), 0);
      assert.equal(await purgeAll(store, { endedBefore: { failed: at } }), 1);
      assert.equal(await isThere(store, old[1] ?? ''), false);
      assert.equal(await purgeAll(store, { endedBefore: { completed: at, failed: at } }), 1);
      assert.equal(await isThere(store, old[0] ?? ''), false);
      assert.equal(await purgeAll(store, { endedBefore: { cancelled: at } }), 1);
      assert.equal(await isThere(store, old[2] ?? ''), false);
      for (const id of [young, ...open]) assert.ok(await isThere(store, id));
    },
  },
  {
    promise: 'a child stays while its parent is there, and a parent while anything below it is unfinished',
    async run({ store, advance }) {
      const parent = await submitAndClaim(store);
      const child = await submitAndClaim(store, { parentId: parent.taskId });
      const grandchild = await submitAndClaim(store, { parentId: child.taskId });
      await finish(store, child);
      assert.equal(await purgeAll(store), 0, 'the parent runs');
      await finish(store, parent);
      await advance(1000);
      assert.equal(await purgeAll(store), 0, 'the grandchild runs');
      await finish(store, grandchild, 'cancelled');
      await advance(1000);
      for (let round = 0; round < 3; round += 1) await purgeAll(store);
      for (const { taskId } of [parent, child, grandchild]) assert.equal(await isThere(store, taskId), false);
    },
  },
  {
    promise: 'a session’s conversation stays until its last task goes',
    async run({ store, advance }) {
      await ended(store, { sessionId: 's' });
      await store.appendSession(namespace, 's', { runId: 'a', messages: '["kept"]' });
      await advance(10_000);
      const last = await submitAndClaim(store, { sessionId: 's' });
      assert.equal(await purgeAll(store), 1);
      assert.equal((await store.session(namespace, 's')).length, 1);
      await finish(store, last);
      await advance(1000);
      assert.equal(await purgeAll(store), 1);
      assert.deepEqual(await store.session(namespace, 's'), []);
    },
  },
  {
    promise: 'memories whose time has come go, so many at a time, in every namespace, and no others',
    async run({ store }) {
      const remember = (id: string, changes: { namespace?: string; expiresAt?: number } = {}) => {
        const { namespace: own = namespace, ...times } = changes;
        const source = { by: 'test', isFromOutside: false };
        const memory = { id, text: id, scope: { namespace: own }, source, createdAt: 1, ...times };
        return store.memories.put(memory, ['tea']);
      };
      await remember('lasting');
      await remember('later', { expiresAt: 101 });
      for (const id of ['a', 'b', 'c']) await remember(id, { expiresAt: 100 });
      await remember('d', { namespace: 'other', expiresAt: 50 });
      const left = async (own: string) => {
        const found = await store.memories.byWords({ scope: { namespace: own }, at: 1 }, ['tea'], 10);
        return found.map(({ id }) => id).sort();
      };
      assert.equal(await store.memories.removeExpired(100, 3), 3);
      assert.equal(await store.memories.removeExpired(100, 3), 1);
      assert.equal(await store.memories.removeExpired(100, 3), 0);
      assert.deepEqual([await left(namespace), await left('other')], [['lasting', 'later'], []]);
    },
  },
  {
    promise: 'one look is bounded by rows and by entries, and the next goes on behind it',
    async run({ store, advance }) {
      const tasks = Array.from({ length: 7 }, () => newTask());
      await store.submitMany(tasks);
      for (const owner of await claim(store, await newWorker(store))) await finish(store, owner);
      const open = await submitAndClaim(store);
      await advance(1000);
      const first = await purge(store, { rows: 3 });
      assert.deepEqual(first, { deleted: 3, behind: tasks[2]?.id });
      const second = await purge(store, { entries: 2, behind: first.behind ?? '' });
      assert.deepEqual(second, { deleted: 2, behind: tasks[4]?.id });
      const third = await purge(store, { rows: 3, behind: second.behind ?? '' });
      assert.equal(third.deleted, 2);
      assert.equal(await status(store, open.taskId), 'running');
    },
  },
  {
    promise: 'only the namespace that is asked for is purged',
    async run({ store, advance }) {
      const owners = [await submitAndClaim(store), await submitAndClaim(store, { namespace: 'other' })];
      for (const owner of owners) await finish(store, owner, 'failed');
      await advance(1000);
      assert.deepEqual(await store.namespaces(), [namespace, 'other']);
      assert.equal(await purgeAll(store, { namespace: 'other' }), 1);
      assert.ok(await isThere(store, owners[0]?.taskId ?? ''));
      assert.deepEqual(await store.namespaces(), [namespace]);
    },
  },
  {
    promise: 'a failed task that was retried is not deleted',
    async run({ store, advance }) {
      const taskId = await ended(store, {}, 'failed');
      await store.write({ op: 'reopen', namespace, taskId, itemId: newId() });
      await advance(1000);
      assert.equal(await purgeAll(store), 0);
      assert.equal(await status(store, taskId), 'pending');
    },
  },
  {
    promise: 'settings of a namespace are its own, and the last ones count',
    async run({ store }) {
      assert.equal(await store.namespaceSettings(namespace), undefined);
      await store.setNamespaceSettings(namespace, '{"a":1}');
      await store.setNamespaceSettings(namespace, '{"a":2}');
      assert.equal(await store.namespaceSettings(namespace), '{"a":2}');
      assert.equal(await store.namespaceSettings('other'), undefined);
    },
  },
  {
    promise:
      'of changes to the same settings at the same time one is made, and the others hear that it was not',
    async run({ store }) {
      const change = (settings: string, earlier: string) =>
        store.setNamespaceSettings(namespace, settings, earlier);
      assert.equal(await change('{"a":0}', '{"a":9}'), false);
      assert.equal(await store.namespaceSettings(namespace), undefined);
      for (const earlier of ['{}', undefined]) {
        const from = earlier ?? (await store.namespaceSettings(namespace)) ?? '{}';
        const texts = Array.from({ length: 8 }, (_, no) => JSON.stringify({ from, no }));
        const made = await Promise.all(texts.map((text) => change(text, from)));
        const winners = texts.filter((_, no) => made[no]);
        assert.deepEqual(winners, [await store.namespaceSettings(namespace)]);
        // As after an answer that was lost.
        assert.equal(await change(winners[0] ?? '', from), true);
      }
    },
  },
  {
    promise:
      'pending and submitted tasks of a namespace are counted up to a limit, children left out of the latter',
    async run({ store, advance }) {
      const first = await submitAndClaim(store);
      const since = (await store.now()) + 1;
      await advance(1000);
      await submit(store, { dueAt: since + 1_000_000 });
      await submit(store, { parentId: first.taskId });
      await submit(store, { namespace: 'other' });
      assert.equal(await store.pending(namespace, 10), 2);
      assert.equal(await store.pending(namespace, 1), 1);
      const { count, firstAt = 0 } = await store.submitted(namespace, since, 10);
      assert.equal(count, 1);
      assert.ok(firstAt > since);
      assert.equal((await store.submitted(namespace, 0, 10)).count, 2);
      assert.deepEqual(await store.submitted(namespace, since + 5_000_000, 10), { count: 0 });
    },
  },
];
