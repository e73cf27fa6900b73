import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pg from 'pg';
import { createTestDatabase, skipWithoutPostgres } from '../../../../test/postgres/test-database.ts';
import { claim, newWorker, submit } from '../../contract/scenario.ts';
import { openPostgresStore } from '../database/open-store.ts';
import { openLeaseConnection } from './lease.ts';

async function connect(stack: AsyncDisposableStack, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  stack.defer(() => client.end());
  await client.connect();
  return client;
}

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
    await assert.rejects(lease.renew('worker', 1000), { code: 'ECONNREFUSED' });
  });

  for (const end of ['died', 'left'] as const) {
    it(`leaves no task behind when the worker ${end} while a write of its own was on its way`, async () => {
      await using database = await createTestDatabase();
      await using store = await openPostgresStore({ url: database.url });
      const taskId = await submit(store);
      const workerId = await newWorker(store);
      assert.equal((await claim(store, workerId)).length, 1);
      await using stack = new AsyncDisposableStack();
      const [client, other] = [await connect(stack, database.url), await connect(stack, database.url)];
      // As an append that waits for the disk.
      await client.query('begin');
      await client.query('select from opspawn.queue for no key update');
      if (end === 'left') await store.removeWorker(workerId);
      else await other.query('update opspawn.workers set lease_until_at = 0');
      assert.equal(await store.sweep(10), 0);
      await client.query('commit');
      assert.equal(await store.sweep(10), 1);
      const [again] = await claim(store, await newWorker(store));
      assert.deepEqual([again?.taskId, again?.attempt], [taskId, 2]);
      assert.equal(await store.sweep(10), 0);
    });
  }
});
