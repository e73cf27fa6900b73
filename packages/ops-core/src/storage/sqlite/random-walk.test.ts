import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { randomRuns } from '../../../test/random-runs.ts';
import { RandomWalk, walkSteps } from '../contract/random-walk.ts';
import { openSqliteStore } from './database/open-store.ts';

const runs = randomRuns(150, 10);

it(`loses and blocks no task in ${runs.numRuns} random histories, runs a session’s tasks one by one, and exceeds no limit`, async () => {
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
    runs,
  );
});
