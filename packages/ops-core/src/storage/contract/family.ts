import assert from 'node:assert/strict';
import {
  claim,
  claimOnly,
  entry,
  finish,
  item,
  namespace,
  newTask,
  newWorker,
  readyIds,
  release,
  type StoreCase,
  status,
  submitAndClaim,
  suspend,
  task,
  wait,
} from './scenario.ts';

export const familyCases: readonly StoreCase[] = [
  {
    promise: 'children are made in the transaction of the entry that asks for them, or not at all',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const child = newTask({ parentId: owner.taskId });
      const append = () => store.write({ op: 'append', owner, entries: [entry(1)], children: [child] });
      assert.ok((await append()).ok);
      assert.ok((await append()).ok);
      assert.equal((await task(store, child.id)).parentId, owner.taskId);
      assert.equal((await store.tasks({ namespace, parentId: owner.taskId }, { limit: 10 })).length, 1);
      const stale = { ...owner, attempt: 7 };
      const orphan = newTask({ parentId: owner.taskId });
      await store.write({ op: 'append', owner: stale, entries: [entry(2)], children: [orphan] });
      assert.equal(await store.task(namespace, orphan.id), undefined);
    },
  },
  {
    promise: 'the end of a child wakes the parent that waits for it and tells it the outcome',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const good = newTask({ parentId: owner.taskId, queue: 'children' });
      const bad = newTask({ parentId: owner.taskId, queue: 'children', parentKey: 'child:second' });
      await store.write({ op: 'append', owner, entries: [], children: [good, bad] });
      await suspend(store, owner, [wait({ kind: 'child', key: 'child:second' })]);
      const worker = await newWorker(store);
      const claimed = await claim(store, worker, { queues: ['children'] });
      const ownerOf = (id: string) => claimed.find((one) => one.taskId === id) ?? assert.fail();
      await finish(store, ownerOf(good.id), 'completed', 1, '{"output":{"a":[1]},"asked":2}');
      assert.equal(await status(store, owner.taskId), 'waiting');
      await finish(store, ownerOf(bad.id), 'failed', 1, '{"error":{"code":"internal"}}');
      assert.deepEqual(await readyIds(store), [owner.taskId]);
      const inbox = await store.inbox(owner.taskId);
      assert.deepEqual(
        inbox.map(({ kind, key, data }) => [kind, key, JSON.parse(data ?? '')]),
        [
          ['child', `child:${good.id}`, { taskId: good.id, status: 'completed', output: { a: [1] } }],
          ['child', 'child:second', { taskId: bad.id, status: 'failed', error: { code: 'internal' } }],
        ],
      );
    },
  },
  {
    promise: 'a child that ends twice in the same way tells its parent once',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const child = newTask({ parentId: owner.taskId });
      await store.write({ op: 'append', owner, entries: [], children: [child] });
      const childOwner = await claimOnly(store, child.id);
      await finish(store, childOwner);
      await finish(store, childOwner);
      assert.equal((await store.inbox(owner.taskId)).length, 1);
    },
  },
  {
    promise: 'suspending for a child that has ended meanwhile is refused',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const child = newTask({ parentId: owner.taskId });
      await store.write({ op: 'append', owner, entries: [], children: [child] });
      await finish(store, await claimOnly(store, child.id));
      const result = await suspend(store, owner, [wait({ kind: 'child', key: `child:${child.id}` })]);
      assert.deepEqual(result, { ok: false, reason: 'awakened' });
    },
  },
  {
    promise: 'the end of a parent asks its unfinished children to end, and theirs to end in turn',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const [waiting, ended, fresh] = [1, 2, 3].map(() => newTask({ parentId: owner.taskId }));
      assert.ok(waiting && ended && fresh);
      await store.write({ op: 'append', owner, entries: [], children: [waiting, ended] });
      const claimed = await claim(store, await newWorker(store));
      const [first, second] = claimed;
      assert.ok(first && second);
      await suspend(store, first, [wait({ key: 'signal:x' })]);
      await finish(store, second);
      await store.write({ op: 'append', owner, entries: [], children: [fresh] });
      await finish(store, owner);
      const kinds = async (taskId: string) => (await store.inbox(taskId)).map(({ kind }) => kind);
      assert.deepEqual(await kinds(waiting.id), ['cancel']);
      const { status: ending, outcome } = await task(store, fresh.id);
      assert.equal(ending, 'cancelled');
      assert.equal(outcome, JSON.stringify({ reason: 'parent_ended', parentId: owner.taskId }));
      assert.deepEqual(await kinds(ended.id), []);
      assert.deepEqual(await readyIds(store), [waiting.id]);
    },
  },
  {
    promise: 'the end of a child whose parent has ended changes nothing else',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const child = newTask({ parentId: owner.taskId });
      await store.write({ op: 'append', owner, entries: [], children: [child] });
      const begun = await claimOnly(store, child.id);
      await finish(store, owner);
      assert.ok((await finish(store, begun, 'cancelled')).ok);
      assert.deepEqual(await store.inbox(owner.taskId), []);
    },
  },
  {
    promise:
      'an owner’s posts reach other tasks in the transaction of its entries; those to ended tasks are ignored',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const ended = await submitAndClaim(store);
      await finish(store, ended);
      const other = await submitAndClaim(store);
      await release(store, other, 60_000);
      const posts = [
        { taskId: ended.taskId, item: item('cancel') },
        { taskId: other.taskId, item: item('cancel') },
      ];
      assert.ok((await store.write({ op: 'append', owner, entries: [entry(1)], posts })).ok);
      assert.deepEqual(await readyIds(store), [other.taskId]);
    },
  },
];
