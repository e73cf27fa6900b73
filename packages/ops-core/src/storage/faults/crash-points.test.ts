import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { entry, finish, namespace, submitAndClaim } from '../contract/scenario.ts';
import { openSqliteStore } from '../sqlite/database/open-store.ts';
import type { ClaimedTask, Store } from '../store.ts';
import { countWrites, withCrashPoints } from './crash-points.ts';
import { withFaults } from './faulty-store.ts';

async function runTask(store: Store, owner: ClaimedTask): Promise<void> {
  await store.write({ op: 'append', owner, entries: [entry(1)] });
  await store.write({ op: 'append', owner, entries: [entry(2)] });
  await finish(store, owner, 'completed', 3);
}

/** Whether the promise is settled once everything that can happen has happened. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.finally(() => {
    settled = true;
  });
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('crash points', () => {
  it('counts the writes of owners and nothing else', async () => {
    await using real = await openSqliteStore({ path: ':memory:' });
    const { store, count } = countWrites(real);
    await runTask(store, await submitAndClaim(store));
    assert.equal(count(), 3);
  });

  for (const [moment, written] of [
    ['before', 1],
    ['after', 2],
  ] as const) {
    it(`crashes ${moment} the write that was asked for, and nothing is answered from then on`, async () => {
      await using real = await openSqliteStore({ path: ':memory:' });
      let crashes = 0;
      const crash = () => {
        crashes += 1;
      };
      const store = withCrashPoints(real, { at: 2, moment, crash });
      const owner = await submitAndClaim(store);
      assert.equal(await isSettled(runTask(store, owner)), false);
      assert.equal(await isSettled(store.task(namespace, owner.taskId)), false);
      assert.equal(crashes, 1);
      assert.equal((await real.journal(owner.taskId, 0, 10)).length, written);
    });
  }
});

describe('a faulty store', () => {
  it('fails as unavailable before or after the call was done, the same for the same seed', async () => {
    const run = async (faults: { before: number; after: number }) => {
      await using real = await openSqliteStore({ path: ':memory:' });
      const owner = await submitAndClaim(real);
      const store = withFaults(real, { seed: 42, ...faults });
      const results: boolean[] = [];
      for (let seq = 1; seq <= 50; seq += 1) {
        const append = store.write({ op: 'append', owner, entries: [entry(seq)] });
        results.push(
          await append.then(
            () => true,
            (error: { code: string }) => error.code !== 'unavailable',
          ),
        );
      }
      return { results, written: (await real.journal(owner.taskId, 0, 100)).length };
    };
    const before = await run({ before: 0.3, after: 0 });
    assert.deepEqual(await run({ before: 0.3, after: 0 }), before);
    const succeeded = before.results.filter(Boolean).length;
    assert.ok(succeeded > 0 && succeeded < 50);
    assert.equal(before.written, succeeded);
    const after = await run({ before: 0, after: 0.3 });
    assert.deepEqual([after.results, after.written], [before.results, 50]);
  });
});
