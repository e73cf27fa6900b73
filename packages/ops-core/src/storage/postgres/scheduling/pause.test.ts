import assert from 'node:assert/strict';
import { it } from 'node:test';
import pg from 'pg';
import { createTestDatabase, skipWithoutPostgres } from '../../../../test/postgres/test-database.ts';
import { claim, newWorker, queue, submit } from '../../contract/scenario.ts';
import { openPostgresStore, prepareDatabase } from '../database/open-store.ts';

const skip = skipWithoutPostgres;

it('a claim that began before a pause was committed takes nothing after it', { skip }, async () => {
  await using database = await createTestDatabase();
  const searchPath = await prepareDatabase(database.url);
  await using store = await openPostgresStore({ url: database.url });
  const pausing = new pg.Client({ connectionString: database.url });
  const watching = new pg.Client({ connectionString: database.url });
  await Promise.all([pausing.connect(), watching.connect()]);
  try {
    await submit(store);
    const workerId = await newWorker(store);
    await pausing.query(`set search_path = ${searchPath}; begin`);
    await pausing.query(`select change_queue(0, 'default', $1, null, '{"by":"ada"}')`, [queue]);
    const claiming = claim(store, workerId);
    const isWaiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    while ((await watching.query(isWaiting)).rowCount === 0);
    await pausing.query('commit');
    assert.deepEqual(await claiming, []);
    await store.changeQueue('default', queue, { pause: null });
    assert.equal((await claim(store, workerId)).length, 1);
  } finally {
    await Promise.all([pausing.end(), watching.end()]);
  }
});
