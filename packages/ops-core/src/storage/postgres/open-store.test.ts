import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pg from 'pg';
import { createTestDatabase, skipWithoutPostgres } from '../../../test/postgres/test-database.ts';
import { newTask } from '../contract/scenario.ts';
import { openPostgresStore } from './open-store.ts';

/** The same URL with some parts changed. */
function changed(
  url: string,
  parts: Partial<Pick<URL, 'password' | 'port' | 'pathname' | 'username'>>,
): string {
  return Object.assign(new URL(url), parts).href;
}

describe('opening the store in PostgreSQL', { skip: skipWithoutPostgres }, () => {
  it('is refused for a URL of something else, without repeating it', async () => {
    for (const url of ['mysql://user:secret@host/db', 'secret', '']) {
      await assert.rejects(openPostgresStore({ url }), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'config_invalid');
        assert.doesNotMatch(error.message, /secret/);
        return true;
      });
    }
  });

  it('is refused for wrong credentials and for a database that is not there', async () => {
    await using database = await createTestDatabase();
    for (const parts of [{ password: 'wrong' }, { username: 'nobody' }, { pathname: '/not_there' }])
      await assert.rejects(openPostgresStore({ url: changed(database.url, parts) }), {
        code: 'config_invalid',
      });
  });

  it('answers unavailable when nobody listens there', async () => {
    await using database = await createTestDatabase();
    const url = changed(database.url, { port: '1' });
    await assert.rejects(openPostgresStore({ url }), { code: 'unavailable', retryable: true });
  });

  it('is refused for a read-only database, and a write to one that became so is unavailable', async () => {
    await using database = await createTestDatabase();
    await using store = await openPostgresStore({ url: database.url, giveUpAfterMs: 0 });
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const name = new URL(database.url).pathname.slice(1);
    await client.query(`alter database ${name} set default_transaction_read_only = on`);
    await client.end();
    await assert.rejects(openPostgresStore({ url: database.url }), { code: 'config_invalid' });
    await assert.rejects(store.write({ op: 'submit', task: newTask() }), { code: 'unavailable' });
    await assert.rejects(store.write({ op: 'submit', task: newTask({ sessionId: 's' }) }), {
      code: 'unavailable',
    });
  });

  it('a closed store says so', async () => {
    await using database = await createTestDatabase();
    const store = await openPostgresStore({ url: database.url });
    const written = store.write({ op: 'submit', task: newTask() });
    await store[Symbol.asyncDispose]();
    assert.equal((await written).outcome, 'created', 'what was asked for before is answered');
    await assert.rejects(store.write({ op: 'submit', task: newTask() }), { code: 'unavailable' });
    await assert.rejects(store.now(), { code: 'unavailable' });
    await store[Symbol.asyncDispose]();
  });
});
