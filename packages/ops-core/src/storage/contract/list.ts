import assert from 'node:assert/strict';
import type { Store, TaskFilter } from '../store.ts';
import {
  claim,
  claimOnly,
  type Ending,
  finish,
  item,
  namespace,
  newTask,
  newWorker,
  post,
  type StoreCase,
  submit,
  submitAndClaim,
  suspend,
  wait,
} from './scenario.ts';

async function ids(
  store: Store,
  filter: Omit<TaskFilter, 'namespace'>,
  space = namespace,
): Promise<string[]> {
  const rows = await store.tasks({ namespace: space, ...filter }, { limit: 100 });
  return rows.map((row) => row.id);
}

async function ended(store: Store, status: Ending): Promise<string> {
  const owner = await submitAndClaim(store);
  await finish(store, owner, status);
  return owner.taskId;
}

export const listCases: readonly StoreCase[] = [
  {
    promise: 'a list is newest first and can be read page by page',
    async run({ store }) {
      const given = Array.from({ length: 25 }, () => newTask());
      await store.submitMany(given);
      const newestFirst = given.map(({ id }) => id).reverse();
      const read: string[] = [];
      for (;;) {
        const before = read.at(-1);
        const page = await store.tasks({ namespace }, { limit: 10, ...(before ? { before } : {}) });
        read.push(...page.map((row) => row.id));
        if (page.length < 10) break;
      }
      assert.deepEqual(read, newestFirst);
    },
  },
  {
    promise: 'a list is filtered by every status alone and by several together, also page by page',
    async run({ store }) {
      const completed = await ended(store, 'completed');
      const failed = await ended(store, 'failed');
      const cancelled = await ended(store, 'cancelled');
      const waiting = await submitAndClaim(store);
      await suspend(store, waiting, [wait({ key: 'signal:x' })]);
      const running = await submitAndClaim(store);
      const paused = await submit(store);
      await post(store, paused, item('pause'));
      const later = await submit(store, { dueAt: (await store.now()) + 60_000 });
      const held = [await submit(store, { sessionId: 's' }), await submit(store, { sessionId: 's' })];
      const pending = [later, ...held].reverse();
      assert.deepEqual(await ids(store, { status: ['completed'] }), [completed]);
      assert.deepEqual(await ids(store, { status: ['failed'] }), [failed]);
      assert.deepEqual(await ids(store, { status: ['cancelled'] }), [cancelled]);
      assert.deepEqual(await ids(store, { status: ['waiting'] }), [waiting.taskId]);
      assert.deepEqual(await ids(store, { status: ['running'] }), [running.taskId]);
      assert.deepEqual(await ids(store, { status: ['paused'] }), [paused]);
      assert.deepEqual(await ids(store, { status: ['pending'] }), pending);
      assert.deepEqual(await ids(store, { status: ['failed', 'cancelled'] }), [cancelled, failed]);
      assert.deepEqual(await ids(store, { status: ['running', 'waiting'] }), [
        running.taskId,
        waiting.taskId,
      ]);
      assert.deepEqual(await ids(store, { status: ['paused', 'completed'] }), [paused, completed]);
      assert.deepEqual(await ids(store, { status: [] }), []);
      for (const [status, expected] of [
        [['failed', 'cancelled'], failed],
        [['running', 'waiting'], waiting.taskId],
        [['paused', 'completed'], completed],
      ] as const) {
        const [first] = await store.tasks({ namespace, status }, { limit: 1 });
        assert.ok(first);
        const rest = await store.tasks({ namespace, status }, { limit: 1, before: first.id });
        assert.deepEqual(
          rest.map((row) => row.id),
          [expected],
        );
      }
    },
  },
  {
    promise:
      'a list is filtered by kind, name, queue, session, parent and time of creation, in any combination',
    async run({ store, advance }) {
      const a = await submit(store, { kind: 'agent', name: 'a', queue: 'q1', sessionId: 's' });
      await advance(1000);
      const b = await submit(store, { kind: 'workflow', name: 'b', queue: 'q2', parentId: a });
      const c = await submit(store, { kind: 'agent', name: 'b', queue: 'q1', sessionId: 's' });
      const { createdAt } = (await store.task(namespace, b)) ?? assert.fail();
      assert.deepEqual(await ids(store, { kind: 'agent' }), [c, a]);
      assert.deepEqual(await ids(store, { name: 'b' }), [c, b]);
      assert.deepEqual(await ids(store, { queue: 'q2' }), [b]);
      assert.deepEqual(await ids(store, { sessionId: 's' }), [c, b, a], 'a child is of its parent’s session');
      assert.deepEqual(await ids(store, { parentId: a }), [b]);
      assert.deepEqual(await ids(store, { createdBefore: createdAt }), [a]);
      assert.deepEqual(await ids(store, { createdAfter: createdAt - 1 }), [c, b]);
      assert.deepEqual(
        await ids(store, { createdAfter: createdAt - 1, kind: 'agent', status: ['pending'] }),
        [c],
      );
      assert.deepEqual(await ids(store, { sessionId: 's', status: ['pending'], name: 'a' }), [a]);
      assert.deepEqual(await ids(store, { parentId: a, status: ['completed', 'failed'] }), []);
    },
  },
  {
    promise: 'a namespace sees its own tasks and nothing of others',
    async run({ store }) {
      const own = await submit(store);
      const other = await submit(store, { namespace: 'other', name: 'secret', sessionId: 's' });
      assert.equal(await store.task(namespace, other), undefined);
      assert.equal(await store.task('other', own), undefined);
      assert.deepEqual(await ids(store, {}), [own]);
      assert.deepEqual(await ids(store, { sessionId: 's' }), []);
      assert.deepEqual(await ids(store, { status: ['pending'] }, 'other'), [other]);
      const owners = await claim(store, await newWorker(store));
      for (const owner of owners) await finish(store, owner, 'failed');
      assert.deepEqual(await ids(store, { status: ['failed'] }), [own]);
      assert.deepEqual(await ids(store, { status: ['failed'] }, 'other'), [other]);
    },
  },
  {
    promise: 'a finished task is shown with how it ended',
    async run({ store }) {
      const taskId = await submit(store, { priority: 1 });
      const owner = await claimOnly(store, taskId);
      const result = await finish(store, owner, 'failed', 1, '{"error":{"code":"internal"}}');
      assert.ok(result.ok);
      const [row] = await store.tasks({ namespace }, { limit: 1 });
      assert.deepEqual(row, await store.task(namespace, taskId));
      assert.deepEqual(
        [row?.status, row?.outcome, row?.finishedAt, row?.attempt, row?.priority],
        ['failed', '{"error":{"code":"internal"}}', result.at, 1, 1],
      );
    },
  },
];
