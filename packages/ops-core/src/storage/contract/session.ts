import assert from 'node:assert/strict';
import { newId } from '../../domain/new-id.ts';
import {
  claim,
  claimOnly,
  finish,
  item,
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

const sessionId = 'session';

export const sessionCases: readonly StoreCase[] = [
  {
    promise: 'the tasks of a session run one after the other, in the order in which they were submitted',
    async run({ store }) {
      const ids: string[] = [];
      for (let n = 0; n < 4; n += 1) ids.push(await submit(store, { sessionId, priority: 9 - n }));
      for (const id of ids) {
        const owner = await claimOnly(store, id);
        assert.ok((await finish(store, owner, id === ids[1] ? 'failed' : 'completed')).ok);
      }
      assert.deepEqual(await readyIds(store), []);
    },
  },
  {
    promise: 'sessions do not hold each other up, nor those of another namespace with the same name',
    async run({ store }) {
      const a = await submit(store, { sessionId: 'a' });
      const b = await submit(store, { sessionId: 'b' });
      const c = await submit(store, { sessionId: 'a', namespace: 'other' });
      await submit(store, { sessionId: 'a' });
      assert.deepEqual(await readyIds(store), [a, b, c]);
    },
  },
  {
    promise: 'a task holds its session while it waits, is put off, or is paused',
    async run({ store, advance }) {
      const first = await submitAndClaim(store, { sessionId });
      const next = await submit(store, { sessionId });
      await suspend(store, first, [wait({ key: 'signal:go' })]);
      assert.deepEqual(await readyIds(store), []);
      await post(store, first.taskId, item('signal', { key: 'signal:go' }));
      await release(store, await claimOnly(store, first.taskId), 1000);
      assert.deepEqual(await readyIds(store), []);
      await post(store, first.taskId, item('pause'));
      await advance(1000);
      await store.promoteDue(10);
      assert.deepEqual(await readyIds(store), []);
      await post(store, first.taskId, item('resume'));
      await finish(store, await claimOnly(store, first.taskId));
      assert.deepEqual(await readyIds(store), [next]);
    },
  },
  {
    promise: 'a task whose turn comes before its time is put off until then',
    async run({ store, advance }) {
      const first = await submitAndClaim(store, { sessionId });
      const dueAt = (await store.now()) + 5000;
      const next = await submit(store, { sessionId, dueAt });
      await finish(store, first);
      assert.equal(await store.promoteDue(10), dueAt);
      await advance(5000);
      await store.promoteDue(10);
      assert.deepEqual(await readyIds(store), [next]);
    },
  },
  {
    promise: 'a resumed task goes back behind those before it in its session',
    async run({ store }) {
      const first = await submitAndClaim(store, { sessionId });
      const next = await submit(store, { sessionId });
      await post(store, next, item('pause'));
      await post(store, next, item('resume'));
      assert.deepEqual(await readyIds(store), []);
      await finish(store, first);
      assert.deepEqual(await readyIds(store), [next]);
    },
  },
  {
    promise: 'a cancelled task ends before its turn, and those behind it keep theirs',
    async run({ store }) {
      const first = await submitAndClaim(store, { sessionId });
      const cancelled = await submit(store, { sessionId });
      const last = await submit(store, { sessionId });
      await post(store, cancelled, item('cancel'));
      assert.equal(await status(store, cancelled), 'cancelled');
      assert.deepEqual(await readyIds(store), []);
      await finish(store, first);
      assert.deepEqual(await readyIds(store), [last]);
    },
  },
  {
    promise: 'a child is of its parent’s session and never waits for it',
    async run({ store }) {
      const owner = await submitAndClaim(store, { sessionId });
      const child = newTask({ parentId: owner.taskId });
      await store.write({ op: 'append', owner, entries: [], children: [child] });
      const claimed = await claimOnly(store, child.id);
      assert.equal(claimed.sessionId, sessionId);
      const next = await submit(store, { sessionId });
      await finish(store, claimed);
      assert.equal(await status(store, next), 'pending');
      assert.deepEqual(await readyIds(store), []);
      await finish(store, owner);
      assert.deepEqual(await readyIds(store), [next]);
    },
  },
  {
    promise: 'a reopened task goes to the end of its session',
    async run({ store }) {
      const first = await submitAndClaim(store, { sessionId });
      const second = await submit(store, { sessionId });
      const third = await submit(store, { sessionId });
      await finish(store, first, 'failed');
      await store.write({ op: 'reopen', namespace, taskId: first.taskId, itemId: newId() });
      for (const id of [second, third, first.taskId]) {
        const owner = await claimOnly(store, id);
        await finish(store, owner, 'completed', owner.lastSeq + 1);
      }
    },
  },
  {
    promise: 'a session’s next task is taken over like any other when its worker is gone',
    async run({ store, advance }) {
      const taskId = await submit(store, { sessionId });
      const next = await submit(store, { sessionId });
      await claim(store, await newWorker(store, 1000));
      await advance(1000);
      await store.sweep(10);
      const owner = await claimOnly(store, taskId);
      await finish(store, owner);
      assert.deepEqual(await readyIds(store), [next]);
    },
  },
  {
    promise: 'a session’s conversation keeps its runs in order, each once',
    async run({ store }) {
      const runs = ['b', 'a', 'c'].map((runId) => ({ runId, messages: `["${runId}"]` }));
      for (const run of runs) await store.appendSession(namespace, sessionId, run);
      await store.appendSession(namespace, sessionId, { runId: 'a', messages: '["other"]' });
      await store.appendSession('other', sessionId, { runId: 'x', messages: '[]' });
      assert.deepEqual(await store.session(namespace, sessionId), runs);
      assert.deepEqual(await store.session(namespace, 'unknown'), []);
    },
  },
];
