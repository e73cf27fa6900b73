import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import pg from 'pg';
import { createTestDatabase, emptyDatabase, skipWithoutPostgres } from '../../test/postgres/test-database.ts';
import { RandomWalk, type WalkClock, walkSteps } from './contract/random-walk.ts';
import { interceptStore } from './faults/intercept.ts';
import { openPostgresStore } from './postgres/database/open-store.ts';
import { openSqliteStore } from './sqlite/database/open-store.ts';
import type { Store } from './store.ts';

const runs = Math.max(5, Math.round(40 * Number(process.env.OPSPAWN_TEST_SCALE ?? 1)));

/** One store for two: both are asked the same, and have to answer the same. */
const twinOf = (store: Store, other: Store): Store =>
  interceptStore(store, async (method, args, call) => {
    const answer = await call();
    const ask = other[method] as (...given: unknown[]) => Promise<unknown>;
    assert.deepEqual(await ask.apply(other, [...args]), answer, `${method}(${JSON.stringify(args)})`);
    return answer;
  });

/** Of both stores. PostgreSQL's is a function in its database. */
async function setClock(client: pg.Client, at: number): Promise<void> {
  await client.query(
    `create or replace function opspawn.now_ms() returns bigint language sql volatile parallel safe as 'select ${at}::bigint'`,
  );
}

it(`both engines answer the same in ${runs} random histories`, { skip: skipWithoutPostgres }, async () => {
  await using database = await createTestDatabase();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await fc.assert(
    fc.asyncProperty(walkSteps, async (history) => {
      let at = Date.now();
      const now = () => at;
      await emptyDatabase(client);
      await setClock(client, at);
      await using sqlite = await openSqliteStore({
        path: ':memory:',
        now,
        leaseClock: { now, bootId: 'test' },
      });
      await using postgres = await openPostgresStore({ url: database.url });
      const clock: WalkClock = {
        get at() {
          return at;
        },
        async advance(ms) {
          at += ms;
          await setClock(client, at);
        },
      };
      const walk = new RandomWalk(twinOf(sqlite, postgres), clock);
      for (const [what, pick] of history) await walk.step(what, pick);
      assert.equal(await walk.settle(), 0, 'every task ends');
    }),
    { numRuns: runs },
  );
  await client.end();
});
