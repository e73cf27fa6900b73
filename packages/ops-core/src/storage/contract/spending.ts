import assert from 'node:assert/strict';
import { newId } from '../../domain/new-id.ts';
import type { TaskSpending } from '../parts/spending.ts';
import type { Store } from '../store.ts';
import { finish, namespace, type StoreCase, submitAndClaim, task } from './scenario.ts';

const spent = (inputTokens: number, costMicroUsd = 0) => ({
  inputTokens,
  outputTokens: 2,
  costMicroUsd,
  unpricedTokens: 0,
});

const record = (store: Store, changes: Partial<TaskSpending>) =>
  store.spending.record({ taskId: newId(), namespace, agent: 'clerk', spent: spent(10), ...changes });

const remember = (store: Store, id: string, session?: string) =>
  store.memories.put(
    {
      id,
      text: id,
      scope: { namespace, agent: 'clerk', ...(session === undefined ? {} : { session }) },
      source: { by: 'agent', isFromOutside: false },
      createdAt: 1,
    },
    [id],
  );

async function leftOf(store: Store, session: string) {
  const scope = { namespace, agent: 'clerk', session };
  return {
    runs: (await store.session(namespace, session)).length,
    memories: (await store.memories.byWords({ scope, at: 1 }, ['mine', 'all'], 9)).map(({ id }) => id).sort(),
    blocks: Object.keys(await store.memories.blocks(scope)),
    cost: (await store.spending.sum(namespace, 'session', session))?.inputTokens,
  };
}

async function fill(store: Store, session: string): Promise<void> {
  const block = { text: 'x', isFromOutside: false };
  await store.appendSession(namespace, session, { runId: newId(), messages: '[]' });
  await remember(store, 'mine', session);
  await remember(store, 'all');
  await store.memories.writeBlock({ namespace, agent: 'clerk', session }, 'notes', block);
  await store.memories.writeBlock({ namespace, agent: session }, 'agent of that name', block);
  await record(store, { sessionId: session });
}

export const spendingCases: readonly StoreCase[] = [
  {
    promise:
      'what tasks have cost is added up by session, agent and day, each task once however often it tells',
    async run({ store, advance }) {
      const taskId = newId();
      await record(store, { taskId, sessionId: 's', spent: spent(10, 1.5) });
      await record(store, { taskId, sessionId: 's', spent: spent(10, 1.5) });
      await record(store, { taskId, sessionId: 's', spent: spent(30, 4) });
      await record(store, { taskId, sessionId: 's', spent: spent(20, 2) });
      await advance(10);
      await Promise.all([1, 2, 3].map(() => record(store, { sessionId: 't', agent: 'other' })));
      await record(store, { namespace: 'elsewhere', sessionId: 's' });
      const sessions = await store.spending.list(namespace, 'session', 10);
      assert.deepEqual(
        sessions.map(({ name, inputTokens, outputTokens, costMicroUsd }) => [
          name,
          inputTokens,
          outputTokens,
          costMicroUsd,
        ]),
        [
          ['t', 30, 6, 0],
          ['s', 30, 2, 4],
        ],
      );
      assert.deepEqual(
        (await store.spending.list(namespace, 'agent', 1)).map(({ name }) => name),
        ['other'],
      );
      const now = await store.now();
      const day = await store.spending.sum(namespace, 'day', new Date(now).toISOString().slice(0, 10));
      assert.deepEqual(day, { ...spent(60, 4), outputTokens: 8, name: day?.name, lastAt: now });
      assert.equal(await store.spending.sum(namespace, 'session', 'none'), undefined);
    },
  },
  {
    promise: 'what a task has cost is told with its end',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const spending = { taskId: owner.taskId, namespace, agent: 'clerk', spent: spent(10) };
      const entries = [{ seq: 1, type: 'task.completed', data: '{}' } as const];
      await store.write({ op: 'finish', owner, status: 'completed', entries, spending });
      assert.equal((await task(store, owner.taskId)).status, 'completed');
      assert.equal((await store.spending.sum(namespace, 'agent', 'clerk'))?.inputTokens, 10);
    },
  },
  {
    promise: 'a session that is forgotten takes with it what is only its own, and waits for its tasks',
    async run({ store }) {
      const owner = await submitAndClaim(store, { sessionId: 's' });
      for (const session of ['s', 'other']) await fill(store, session);
      const all = { runs: 1, memories: ['all', 'mine'], blocks: ['notes'], cost: 10 };
      assert.equal(await store.spending.forgetSession(namespace, 's'), false);
      assert.deepEqual(await leftOf(store, 's'), all);
      await finish(store, owner);
      assert.equal(await store.spending.forgetSession('elsewhere', 's'), true);
      assert.equal(await store.spending.forgetSession(namespace, 's'), true);
      assert.deepEqual(await leftOf(store, 's'), { runs: 0, memories: ['all'], blocks: [], cost: undefined });
      assert.deepEqual((await leftOf(store, 'other')).blocks, ['notes']);
      assert.deepEqual(Object.keys(await store.memories.blocks({ namespace, agent: 's' })), [
        'agent of that name',
      ]);
    },
  },
  {
    promise: 'the last task of a session that is deleted takes the session’s memories with it',
    async run({ store }) {
      const owner = await submitAndClaim(store, { sessionId: 's' });
      await finish(store, owner);
      await fill(store, 's');
      const completed = (await store.now()) + 1;
      const request = { namespace, ended: 'completed', rows: 10, entries: 100 } as const;
      assert.equal((await store.purge({ ...request, endedBefore: { completed } })).deleted, 1);
      assert.deepEqual(await leftOf(store, 's'), { runs: 0, memories: ['all'], blocks: [], cost: undefined });
    },
  },
];
