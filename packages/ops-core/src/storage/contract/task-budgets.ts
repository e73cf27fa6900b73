import assert from 'node:assert/strict';
import { newId } from '../../domain/new-id.ts';
import type { Reservation } from '../parts/task-budgets.ts';
import type { Store } from '../store.ts';
import { finish, type StoreCase, submit, submitAndClaim } from './scenario.ts';

const most = { tokens: 10_000 };
const held = (tokens: number, costMicroUsd = 0) => ({ outcome: 'held', used: { tokens, costMicroUsd } });

async function family(store: Store) {
  const [a, b] = [await submit(store), await submit(store)];
  const budgetId = newId();
  const reserve = (taskId: string, tokens: number, changes: Partial<Reservation> = {}) =>
    store.budgets.reserve({
      budgetId,
      taskId,
      step: 'model:1',
      attempt: 1,
      most,
      asked: { tokens },
      ...changes,
    });
  const settle = (taskId: string, tokens: number, step = 'model:1') =>
    store.budgets.settle({ budgetId, taskId, step, used: { tokens } });
  return { budgetId, a, b, reserve, settle };
}

export const taskBudgetCases: readonly StoreCase[] = [
  {
    promise: 'a budget gives no more than there is: what others hold is waited for, what is used is refused',
    async run({ store }) {
      const { a, b, reserve, settle } = await family(store);
      assert.deepEqual(await reserve(a, 6_000), held(0));
      const waits = { outcome: 'waits', limit: 'tokens', used: { tokens: 0, costMicroUsd: 0 } };
      assert.deepEqual(await reserve(b, 6_000), waits);
      assert.deepEqual(await reserve(b, 4_000), held(0));
      assert.deepEqual(await settle(a, 5_000), { tokens: 5_000, costMicroUsd: 0 });
      assert.deepEqual(await settle(a, 5_000), { tokens: 5_000, costMicroUsd: 0 }, 'twice is once');
      assert.deepEqual(await settle(a, 5_500), { tokens: 5_500, costMicroUsd: 0 });
      const exceeded = { outcome: 'exceeded', limit: 'tokens', used: { tokens: 5_500, costMicroUsd: 0 } };
      assert.deepEqual(await reserve(a, 4_501, { step: 'model:2' }), exceeded);
      assert.equal((await reserve(a, 4_500, { step: 'model:2' })).outcome, 'waits');
      await settle(b, 0);
      assert.deepEqual(await reserve(a, 4_500, { step: 'model:2' }), held(5_500));
    },
  },
  {
    promise: 'of a budget it is told what is used, and which tasks hold how much of the rest',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const { budgetId, a, b, reserve, settle } = await family(store);
      const none = { used: { tokens: 0, costMicroUsd: 0 }, held: [] };
      assert.deepEqual(await store.budgets.state(budgetId), none);
      await reserve(a, 100);
      await reserve(a, 50, { step: 'model:2' });
      await reserve(b, 3_000);
      await reserve(owner.taskId, 10);
      await settle(a, 70);
      await finish(store, owner);
      assert.deepEqual(await store.budgets.state(budgetId), {
        used: { tokens: 70, costMicroUsd: 0 },
        held: [
          { taskId: b, tokens: 3_000, costMicroUsd: 0 },
          { taskId: a, tokens: 50, costMicroUsd: 0 },
        ],
      });
      await store.budgets.release(budgetId, b);
      assert.equal((await store.budgets.state(budgetId)).held.length, 1);
    },
  },
  {
    promise: 'costs are counted in micro-dollars and fractions of them',
    async run({ store }) {
      const { budgetId, a, reserve } = await family(store);
      const limits = { most: { costMicroUsd: 10 }, asked: { tokens: 5, costMicroUsd: 6 } };
      assert.deepEqual(await reserve(a, 0, limits), held(0));
      await store.budgets.settle({ budgetId, taskId: a, step: 'model:1', used: { costMicroUsd: 4.5 } });
      assert.deepEqual(await reserve(a, 0, { ...limits, step: 'model:2' }), held(0, 4.5));
      const { outcome, limit } = await reserve(a, 0, {
        ...limits,
        step: 'model:3',
        asked: { costMicroUsd: 7 },
      });
      assert.deepEqual([outcome, limit], ['exceeded', 'costMicroUsd']);
    },
  },
  {
    promise: 'of many that reserve at the same time only so many hold as there is room for',
    async run({ store }) {
      const { reserve } = await family(store);
      const tasks = await Promise.all(Array.from({ length: 12 }, () => submit(store)));
      const answers = await Promise.all(tasks.map((taskId) => reserve(taskId, 2_500)));
      assert.equal(answers.filter(({ outcome }) => outcome === 'held').length, 4);
    },
  },
  {
    promise:
      'what a dead attempt held is booked up to the answer that is reckoned with, once, when the next one reserves',
    async run({ store }) {
      const { a, b, reserve, settle } = await family(store);
      await reserve(a, 10_000);
      assert.equal((await reserve(b, 1)).outcome, 'waits', 'until its task is taken over');
      assert.deepEqual(await reserve(a, 9_000, { attempt: 2 }), held(1_000));
      assert.deepEqual(await reserve(a, 9_000, { attempt: 2 }), held(1_000));
      await settle(a, 10);
      assert.deepEqual(await reserve(b, 300), held(1_010));
      assert.deepEqual(await reserve(b, 300, { attempt: 2 }), held(1_310));
    },
  },
  {
    promise: 'an attempt that ends in order gives back what it holds, and an ended task holds nothing',
    async run({ store }) {
      const owner = await submitAndClaim(store);
      const { budgetId, b, reserve } = await family(store);
      await reserve(b, 10_000);
      await store.budgets.release(budgetId, b);
      assert.deepEqual(await reserve(owner.taskId, 10_000), held(0));
      assert.equal((await reserve(b, 10_000, { attempt: 2 })).outcome, 'waits');
      await finish(store, owner);
      assert.deepEqual(await reserve(b, 10_000, { attempt: 2 }), held(0));
    },
  },
];
