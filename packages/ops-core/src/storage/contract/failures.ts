import assert from 'node:assert/strict';
import { newId } from '../../domain/new-id.ts';
import type { NewTask, Store } from '../store.ts';
import { finish, namespace, type StoreCase, submit, submitAndClaim } from './scenario.ts';

const errorData = (code: string) => JSON.stringify({ error: { name: 'Error', code, message: '\u0000' } });

async function fail(store: Store, code: string, changes: Partial<NewTask> = {}): Promise<string> {
  const owner = await submitAndClaim(store, changes);
  await finish(store, owner, 'failed', 1, errorData(code));
  return owner.taskId;
}

const failedIds = (store: Store, errorCode: string, changes = {}) =>
  store.taskIds({ namespace, errorCode, ...changes }, { limit: 10 });

export const failureCases: readonly StoreCase[] = [
  {
    promise: 'failed tasks are found by the code of their error, also those of a session or a parent',
    async run({ store }) {
      const parent = await submit(store, { dueAt: (await store.now()) + 60_000 });
      const timedOut = await fail(store, 'timeout');
      const inSession = await fail(store, 'timeout', { sessionId: 's' });
      const child = await fail(store, 'timeout', { parentId: parent });
      await fail(store, 'tool_failed');
      const cancelled = await submitAndClaim(store);
      await finish(store, cancelled, 'cancelled', 1, errorData('timeout'));
      assert.deepEqual(await failedIds(store, 'timeout'), [child, inSession, timedOut]);
      assert.deepEqual(await failedIds(store, 'timeout', { sessionId: 's' }), [inSession]);
      assert.deepEqual(await failedIds(store, 'timeout', { parentId: parent }), [child]);
      assert.deepEqual(await failedIds(store, 'timeout', { status: ['completed'] }), []);
      const rows = await store.tasks({ namespace, errorCode: 'timeout', name: 'noop' }, { limit: 1 });
      assert.deepEqual(
        rows.map(({ id, outcome }) => [id, outcome]),
        [[child, errorData('timeout')]],
      );
    },
  },
  {
    promise: 'ids are given newest or oldest first, page by page',
    async run({ store }) {
      const given: string[] = [];
      for (let n = 0; n < 5; n += 1) given.push(await submit(store));
      const filter = { namespace, status: ['pending'] as const };
      assert.deepEqual(await store.taskIds(filter, { limit: 2 }), given.slice(3).reverse());
      assert.deepEqual(
        await store.taskIds(filter, { limit: 9, before: given[3] ?? '' }),
        given.slice(0, 3).reverse(),
      );
      assert.deepEqual(await store.taskIds(filter, { limit: 2, oldestFirst: true }), given.slice(0, 2));
      const behind = { limit: 9, oldestFirst: true, after: given[1] ?? '' };
      assert.deepEqual(await store.taskIds(filter, behind), given.slice(2));
    },
  },
  {
    promise: 'failures are grouped by code, kind and name, the largest group first, in one namespace',
    async run({ store, advance }) {
      const first = await fail(store, 'timeout', { name: 'a' });
      await advance(1000);
      const second = await fail(store, 'timeout', { name: 'a' });
      const other = await fail(store, 'timeout', { name: 'b', kind: 'agent' });
      await fail(store, 'timeout', { name: 'a', namespace: 'other' });
      const [largest, smallest, ...rest] = await store.failures({ namespace }, 10);
      assert.deepEqual(rest, []);
      const endOf = async (taskId: string) => (await store.task(namespace, taskId))?.finishedAt;
      assert.deepEqual(largest, {
        errorCode: 'timeout',
        kind: 'function',
        name: 'a',
        count: 2,
        firstAt: await endOf(first),
        lastAt: await endOf(second),
        taskId: second,
        outcome: errorData('timeout'),
      });
      assert.deepEqual([smallest?.name, smallest?.kind, smallest?.taskId], ['b', 'agent', other]);
      assert.equal((await store.failures({ namespace, name: 'b' }, 10)).length, 1);
      assert.equal((await store.failures({ namespace, kind: 'workflow' }, 10)).length, 0);
      assert.equal((await store.failures({ namespace, errorCode: 'internal' }, 10)).length, 0);
      assert.equal((await store.failures({ namespace }, 1)).length, 1);
      await store.write({ op: 'reopen', namespace, taskId: second, itemId: newId() });
      assert.equal((await store.failures({ namespace, name: 'a' }, 10))[0]?.count, 1, 'one was retried');
    },
  },
];
