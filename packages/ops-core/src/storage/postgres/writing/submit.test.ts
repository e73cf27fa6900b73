import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createTestDatabase, skipWithoutPostgres } from '../../../../test/postgres/test-database.ts';
import { newTask, newWorker, offering } from '../../contract/scenario.ts';
import { openPostgresStore, prepareDatabase } from '../database/open-store.ts';

it('a worker is told that it may have a task whose first answer was lost', {
  skip: skipWithoutPostgres,
}, async () => {
  await using database = await createTestDatabase();
  await prepareDatabase(database.url);
  await using store = await openPostgresStore({ url: database.url });
  const seen = offering(store, await newWorker(store));
  for (const task of [newTask(), newTask({ idempotencyKey: 'key' })]) {
    const first = await store.write({ op: 'submit', task });
    // As it is sent again when the connection broke.
    assert.deepEqual(await store.write({ op: 'submit', task }), first);
  }
  assert.deepEqual([seen.begun.length, seen.ended], [2, [false, true, false, true]]);
});

it('many tasks that are submitted at the same time go in two statements, of which the database works on one while callers are answered', {
  skip: skipWithoutPostgres,
}, async () => {
  await using database = await createTestDatabase();
  await using store = await openPostgresStore({ url: database.url });
  let commits = 0;
  store.listen({ ready: () => (commits += 1), changed: () => {}, posted: () => {} });
  const submitting = Array.from({ length: 150 }, () => store.write({ op: 'submit', task: newTask() }));
  const results = await Promise.all(submitting);
  assert.ok(results.every(({ outcome }) => outcome === 'created'));
  assert.equal(commits, 2);
});
