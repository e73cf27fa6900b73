import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createTestDatabase, skipWithoutPostgres } from '../../../test/postgres/test-database.ts';
import { newWorker } from '../contract/scenario.ts';
import { openLeaseConnection } from './lease.ts';
import { openPostgresStore } from './open-store.ts';

describe('a lease in PostgreSQL', { skip: skipWithoutPostgres }, () => {
  it('is renewed over a connection of its own, until the worker is removed', async () => {
    await using database = await createTestDatabase();
    await using store = await openPostgresStore({ url: database.url });
    await using lease = openLeaseConnection(database.url);
    const workerId = await newWorker(store);
    assert.equal(await lease.renew(workerId, 1000), true);
    await store.removeWorker(workerId);
    assert.equal(await lease.renew(workerId, 1000), false);
  });

  it('cannot be renewed when the database is not there', async () => {
    await using lease = openLeaseConnection('postgres://user:password@127.0.0.1:1/nowhere');
    await assert.rejects(lease.renew('worker', 1000), { code: 'unavailable' });
  });
});
