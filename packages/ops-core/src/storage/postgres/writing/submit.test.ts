import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pg from 'pg';
import { createTestDatabase, skipWithoutPostgres } from '../../../../test/postgres/test-database.ts';
import { newTask, newWorker, queue, status } from '../../contract/scenario.ts';
import type { Store } from '../../store.ts';
import { openPostgresStore, prepareDatabase } from '../database/open-store.ts';

const skip = skipWithoutPostgres;

/** Notes the tasks that a new worker was told to begin, and whether an offer came to nothing for sure. */
async function offering(store: Store) {
  const workerId = await newWorker(store);
  const seen = { begun: [] as string[], unclear: [] as boolean[] };
  store.listen({
    offer: () => ({
      workerId,
      attemptTimeoutMs: 60_000,
      begin: ({ taskId }) => seen.begun.push(taskId),
      end: (isUnclear) => seen.unclear.push(isUnclear),
    }),
    ready: () => {},
    changed: () => {},
    posted: () => {},
  });
  return seen;
}

describe('submitting to a worker that begins at once', { skip }, () => {
  it('begins nothing in a queue whose pause was committed meanwhile', async () => {
    await using database = await createTestDatabase();
    const searchPath = await prepareDatabase(database.url);
    await using store = await openPostgresStore({ url: database.url });
    const pausing = new pg.Client({ connectionString: database.url });
    const watching = new pg.Client({ connectionString: database.url });
    await Promise.all([pausing.connect(), watching.connect()]);
    try {
      const seen = await offering(store);
      const task = newTask();
      await pausing.query(`set search_path = ${searchPath}; begin`);
      await pausing.query(`select change_queue(0, 'default', $1, null, '{"by":"ada"}')`, [queue]);
      const submitting = store.write({ op: 'submit', task });
      const isWaiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
      while ((await watching.query(isWaiting)).rowCount === 0);
      await pausing.query('commit');
      await submitting;
      assert.deepEqual(seen, { begun: [], unclear: [false] });
      assert.equal(await status(store, task.id), 'pending');
    } finally {
      await Promise.all([pausing.end(), watching.end()]);
    }
  });

  it('says that the worker may have a task whose first answer was lost', async () => {
    await using database = await createTestDatabase();
    await prepareDatabase(database.url);
    await using store = await openPostgresStore({ url: database.url });
    const seen = await offering(store);
    for (const task of [newTask(), newTask({ idempotencyKey: 'key' })]) {
      const first = await store.write({ op: 'submit', task });
      // As it is sent again when the connection broke.
      assert.deepEqual(await store.write({ op: 'submit', task }), first);
    }
    assert.deepEqual(seen.unclear, [false, true, false, true]);
    assert.equal(seen.begun.length, 2);
  });
});
