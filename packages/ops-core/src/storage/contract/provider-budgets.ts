import assert from 'node:assert/strict';
import { newId } from '../../domain/new-id.ts';
import type { ProviderBounds, ProviderReport } from '../parts/provider-budgets.ts';
import type { Store } from '../store.ts';
import type { StoreCase } from './scenario.ts';

const key = 'openai:1';

const report = (store: Store, changes: Partial<ProviderReport>, bounds: ProviderBounds = {}) =>
  store.providers.report({
    keys: [{ key, provider: 'openai', ...bounds }],
    asked: [],
    settled: [],
    held: [],
    withdrawn: [],
    ...changes,
  });

/** How long each call has to wait; they are asked for one after the other. */
async function ask(store: Store, ids: readonly string[], bounds: ProviderBounds, tokens = 10) {
  const asked = ids.map((id) => ({ id, key, tokens }));
  const answers = await report(store, { asked }, bounds);
  return ids.map((id) => answers.find((answer) => answer.id === id)?.waitMs);
}

const newIds = (count: number) => Array.from({ length: count }, () => newId());

export const providerBudgetCases: readonly StoreCase[] = [
  {
    promise:
      'a key sends no more requests in a minute than it may, counted until a minute after the provider had each',
    async run({ store, advance }) {
      const bounds = { requestsPerMinute: 2 };
      const [a, b, c, d] = newIds(4) as [string, string, string, string];
      assert.deepEqual(await ask(store, [a, b], bounds), [0, 0]);
      assert.deepEqual(await ask(store, [a], bounds), [0], 'asking again is asking once');
      await advance(1_000);
      await report(store, { settled: [{ id: a, tokens: 1, keepMs: 60_000 }] }, bounds);
      await advance(10_000);
      await report(store, { settled: [{ id: b, tokens: 1, keepMs: 60_000 }] }, bounds);
      assert.deepEqual(await ask(store, [c, d], bounds), [50_000, 60_000]);
      for (let waited = 0; waited < 45_000; waited += 5_000) {
        await advance(5_000);
        const [first] = await ask(store, [c, d], bounds);
        assert.equal(first, 45_000 - waited);
      }
      await advance(5_000);
      assert.deepEqual(await ask(store, [c, d], bounds), [0, 10_000]);
    },
  },
  {
    promise:
      'tokens count as estimated and then as used, and what no minute can hold goes once nothing else counts',
    async run({ store, advance }) {
      const bounds = { tokensPerMinute: 100 };
      const [a, big, small] = newIds(3) as [string, string, string];
      assert.deepEqual(await ask(store, [a], bounds, 90), [0]);
      assert.deepEqual(await ask(store, [big], bounds, 5_000), [75_000]);
      await report(store, { settled: [{ id: a, tokens: 0, keepMs: 60_000 }] }, bounds);
      assert.deepEqual(await ask(store, [big], bounds, 5_000), [0]);
      await report(store, { settled: [{ id: big, tokens: 50, keepMs: 60_000 }] }, bounds);
      assert.deepEqual(await ask(store, [small], bounds, 60), [60_000]);
      await advance(60_000);
      assert.deepEqual(await ask(store, [small], bounds, 60), [0]);
    },
  },
  {
    promise:
      'whoever came first goes first, also when its process asks later, and who went away holds nobody up',
    async run({ store, advance }) {
      const bounds = { requestsPerMinute: 1 };
      const [a, first, second, gone] = newIds(4) as [string, string, string, string];
      await ask(store, [a], bounds);
      await ask(store, [first], bounds);
      await advance(1);
      await ask(store, [gone], bounds);
      await report(store, { withdrawn: [gone] }, bounds);
      await advance(1);
      await ask(store, [second], bounds);
      await report(store, { withdrawn: [a] }, bounds);
      assert.deepEqual(await ask(store, [second], bounds), [60_000], 'an earlier one has the right to it');
      assert.deepEqual(await ask(store, [first], bounds), [0]);
      await advance(10_000);
      await ask(store, [second], bounds);
      assert.equal((await store.providers.keys())[0]?.waiting, 1);
      await advance(20_000);
      assert.equal((await store.providers.keys())[0]?.waiting, 0, 'a dead process gives up its place');
    },
  },
  {
    promise:
      'a call on the way counts as long as its process lives, and lapses 75 s after its last sign of life',
    async run({ store, advance }) {
      const bounds = { requestsPerMinute: 1 };
      const [a] = newIds(1) as [string];
      await ask(store, [a], bounds);
      for (let round = 0; round < 3; round += 1) {
        await advance(60_000);
        await report(store, { held: [a] }, bounds);
      }
      await advance(74_999);
      assert.deepEqual(await ask(store, newIds(1), bounds), [1]);
      await advance(1);
      const [next] = newIds(1) as [string];
      await advance(15_000);
      assert.deepEqual(await ask(store, [next], bounds), [0]);
    },
  },
  {
    promise: 'of many that ask at the same time only so many go as the key may send',
    async run({ store }) {
      const bounds = { requestsPerMinute: 5 };
      const waits = await Promise.all(newIds(20).map((id) => ask(store, [id], bounds)));
      assert.equal(waits.filter(([waitMs]) => waitMs === 0).length, 5);
      const [state] = await store.providers.keys();
      assert.deepEqual(state, { key, provider: 'openai', bounds, requests: 5, tokens: 50, waiting: 15 });
    },
  },
  {
    promise: 'what an operator says of a provider goes before what workers are configured with',
    async run({ store }) {
      const bounds = { requestsPerMinute: 1 };
      await store.providers.setLimit({ provider: 'openai', requestsPerMinute: 3, tokensPerMinute: 1_000 });
      const limits = [{ provider: 'openai', requestsPerMinute: 3, tokensPerMinute: 1_000 }];
      assert.deepEqual(await store.providers.limits(), limits);
      const ids = newIds(4);
      assert.deepEqual((await ask(store, ids, bounds)).slice(0, 3), [0, 0, 0]);
      await store.providers.setLimit({ provider: 'openai' });
      assert.deepEqual(await ask(store, ids.slice(3), bounds), [0], 'not bounded at all');
      assert.equal(await store.providers.removeLimit('openai'), true);
      assert.equal(await store.providers.removeLimit('openai'), false);
      assert.notEqual((await ask(store, newIds(1), bounds))[0], 0);
    },
  },
  {
    promise: 'a task can be told for which key it waits, and since when',
    async run({ store, advance }) {
      const bounds = { requestsPerMinute: 1 };
      const taskId = newId();
      await ask(store, newIds(2), bounds);
      await advance(1);
      const since = await store.now();
      await report(store, { asked: [{ id: newId(), key, tokens: 1, taskId }] }, bounds);
      const waiting = { key, provider: 'openai', ahead: 1, since };
      assert.deepEqual(await store.providers.waitingCalls(taskId), [waiting]);
      assert.deepEqual(await store.providers.waitingCalls(newId()), []);
    },
  },
];
