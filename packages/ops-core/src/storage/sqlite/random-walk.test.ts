import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { RandomWalk, walkSteps } from '../contract/random-walk.ts';
import { openSqliteStore } from './database/open-store.ts';

const runs = Math.max(10, Math.round(150 * Number(process.env.OPSPAWN_TEST_SCALE ?? 1)));

it(`loses and blocks no task in ${runs} random histories, runs a session’s tasks one by one, and exceeds no limit`, async () => {
  await fc.assert(
    fc.asyncProperty(walkSteps, async (history) => {
      let at = Date.now();
      const now = () => at;
      await using store = await openSqliteStore({
        path: ':memory:',
        now,
        leaseClock: { now, bootId: 'test' },
      });
      const walk = new RandomWalk(store, {
        get at() {
          return at;
        },
        advance(ms) {
          at += ms;
        },
      });
      for (const [what, pick] of history) {
        await walk.step(what, pick);
        await walk.checkSessions();
        await walk.checkLimits();
      }
      assert.equal(await walk.settle(), 0, 'every task ends');
    }),
    { numRuns: runs },
  );
});
