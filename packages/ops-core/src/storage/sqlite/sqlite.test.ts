import { describe, it } from 'node:test';
import type { StoreUnderTest } from '../contract/scenario.ts';
import { storeCases } from '../contract.ts';
import { openSqliteStore } from './database/open-store.ts';

async function openSubject(): Promise<StoreUnderTest> {
  let at = Date.now();
  const now = () => at;
  const store = await openSqliteStore({
    path: ':memory:',
    now,
    leaseClock: { now, bootId: 'test' },
  });
  return {
    store,
    advance: async (ms) => {
      at += ms;
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe('the store in SQLite', () => {
  for (const { promise, run } of storeCases) {
    it(promise, async () => {
      await using subject = await openSubject();
      await run(subject);
    });
  }
});
