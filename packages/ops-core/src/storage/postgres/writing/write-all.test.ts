import assert from 'node:assert/strict';
import { it } from 'node:test';
import pg from 'pg';
import { createTestDatabase, skipWithoutPostgres } from '../../../../test/postgres/test-database.ts';
import { untilBlocked } from '../../../../test/postgres/until-blocked.ts';
import { item, newTask, post, status, submitAndClaim } from '../../contract/scenario.ts';
import { openPostgresStore, prepareDatabase } from '../database/open-store.ts';

it('a cancel that ends a child locks its parent first, as every other write does, so that none waits in a circle', {
  skip: skipWithoutPostgres,
}, async () => {
  await using database = await createTestDatabase();
  const searchPath = await prepareDatabase(database.url);
  await using store = await openPostgresStore({ url: database.url });
  const parent = await submitAndClaim(store);
  const child = newTask({ parentId: parent.taskId });
  await store.write({ op: 'append', owner: parent, entries: [], children: [child] });
  const other = new pg.Client({ connectionString: database.url });
  await other.connect();
  try {
    await other.query(`set search_path = ${searchPath}; begin`);
    await other.query('select from queue where task_id = $1 for update', [parent.taskId]);
    const cancelling = post(store, child.id, item('cancel'));
    await untilBlocked(database.url);
    const free = 'select from queue where task_id = $1 for update skip locked';
    assert.equal((await other.query(free, [child.id])).rowCount, 1);
    await other.query('commit');
    assert.deepEqual(await cancelling, { ok: true });
    assert.equal(await status(store, child.id), 'cancelled');
  } finally {
    await other.end();
  }
});
