import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pg from 'pg';
import { createTestDatabase, skipWithoutPostgres } from '../../../../test/postgres/test-database.ts';
import { untilBlocked } from '../../../../test/postgres/until-blocked.ts';
import { claim, newWorker, offering, queue, status, submit } from '../../contract/scenario.ts';
import type { Store } from '../../store.ts';
import { openPostgresStore, prepareDatabase } from '../database/open-store.ts';

const skip = skipWithoutPostgres;

/** Does something in the store while a pause of the queue is made, and waits until it is committed. */
async function acrossPause<Result>(url: string, act: () => Promise<Result>): Promise<Result> {
  const searchPath = await prepareDatabase(url);
  const pausing = new pg.Client({ connectionString: url });
  await pausing.connect();
  try {
    await pausing.query(`set search_path = ${searchPath}; begin`);
    await pausing.query(`select change_queue(0, 'default', $1, null, '{"by":"ada"}')`, [queue]);
    const acting = act();
    await untilBlocked(url);
    await pausing.query('commit');
    return await acting;
  } finally {
    await pausing.end();
  }
}

async function withStore(run: (store: Store, url: string) => Promise<void>): Promise<void> {
  await using database = await createTestDatabase();
  await prepareDatabase(database.url);
  await using store = await openPostgresStore({ url: database.url });
  await run(store, database.url);
}

describe('what began before a pause was committed', { skip }, () => {
  it('takes nothing after it, if it is a claim', () =>
    withStore(async (store, url) => {
      await submit(store);
      const workerId = await newWorker(store);
      assert.deepEqual(await acrossPause(url, () => claim(store, workerId)), []);
      await store.changeQueue('default', queue, { pause: null });
      assert.equal((await claim(store, workerId)).length, 1);
    }));

  it('begins nothing after it, if it submits', () =>
    withStore(async (store, url) => {
      const seen = offering(store, await newWorker(store));
      const taskId = await acrossPause(url, () => submit(store));
      assert.deepEqual([seen.begun, seen.ended, await status(store, taskId)], [[], [false], 'pending']);
    }));
});
