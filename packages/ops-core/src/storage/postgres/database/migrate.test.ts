import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { describeSchema } from '../../../../test/postgres/describe-schema.ts';
import { createEmptyDatabase, skipWithoutPostgres } from '../../../../test/postgres/test-database.ts';
import { migrate, readMigrations } from './migrate.ts';
import { openPostgresStore, prepareDatabase } from './open-store.ts';

const snapshot = new URL('../migrations/schema.txt', import.meta.url);

async function onDatabase<Result>(
  work: (client: pg.Client, url: string) => Promise<Result>,
): Promise<Result> {
  await using database = await createEmptyDatabase();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    return await work(client, database.url);
  } finally {
    await client.end();
  }
}

describe('the schema in PostgreSQL', { skip: skipWithoutPostgres }, () => {
  it('is what schema.txt says, by whatever migrations it was reached', async () => {
    const atOnce = await onDatabase(async (client, url) => {
      await prepareDatabase(url);
      return describeSchema(client);
    });
    const oneByOne = await onDatabase(async (client) => {
      for (const { version } of readMigrations()) await migrate(client, version);
      return describeSchema(client);
    });
    assert.equal(oneByOne, atOnce);
    if (process.env.OPSPAWN_TEST_UPDATE === '1') writeFileSync(snapshot, atOnce);
    assert.equal(
      atOnce,
      readFileSync(snapshot, 'utf8'),
      'run with OPSPAWN_TEST_UPDATE=1 to accept the change',
    );
  });

  it('is made once when many processes start at the same time, whatever isolation the database has as its default', async () => {
    await onDatabase(async (client, url) => {
      const name = new URL(url).pathname.slice(1);
      await client.query(`alter database ${name} set default_transaction_isolation = 'repeatable read'`);
      const paths = await Promise.all(Array.from({ length: 6 }, () => prepareDatabase(url)));
      assert.equal(new Set(paths).size, 1);
      const { rowCount } = await client.query('select from opspawn.migrations');
      assert.equal(rowCount, readMigrations().length);
    });
  });

  it('is waited for while another process makes it, whatever bounds the database has for statements', async () => {
    await onDatabase(async (client, url) => {
      const { rows } = await client.query<{ name: string }>('select current_database() as name');
      const database = `alter database "${rows[0]?.name}" set`;
      await client.query(`${database} statement_timeout = '250ms'; ${database} lock_timeout = '200ms'`);
      await client.query("begin; select pg_advisory_xact_lock(hashtext('opspawn migrations'))");
      const prepared = prepareDatabase(url);
      await Promise.race([prepared, sleep(600)]);
      await client.query('commit');
      assert.match(await prepared, /^opspawn_/);
    });
  });

  it('of a later program is refused, and left as it is', async () => {
    await onDatabase(async (client, url) => {
      await prepareDatabase(url);
      await client.query('insert into opspawn.migrations (version) values (9999)');
      await assert.rejects(openPostgresStore({ url }), { code: 'schema_too_new' });
      const { rows } = await client.query('select max(version) as version from opspawn.migrations');
      assert.deepEqual(rows, [{ version: 9999 }]);
    });
  });

  it('of another program with our name is refused', async () => {
    await onDatabase(async (client, url) => {
      await client.query('create schema opspawn; create table opspawn.other (id int)');
      await assert.rejects(openPostgresStore({ url }), { code: 'config_invalid' });
    });
  });

  it('stands beside the tables of other programs', async () => {
    await onDatabase(async (client, url) => {
      await client.query('create table tasks (id int); create table public.migrations (id int)');
      await using store = await openPostgresStore({ url });
      assert.deepEqual(await store.tasks({ namespace: 'default' }, { limit: 10 }), []);
    });
  });

  it('that cannot be made as a whole is not made at all', async () => {
    await onDatabase(async (client, url) => {
      const role = `limited_${process.pid}`;
      await client.query(`create role ${role} login password 'x'`);
      const limited = Object.assign(new URL(url), { username: role, password: 'x' });
      await assert.rejects(openPostgresStore({ url: limited.href }), { code: 'config_invalid' });
      await client.query(`drop role ${role}`);
      const { rowCount } = await client.query(`select from pg_namespace where nspname like 'opspawn%'`);
      assert.equal(rowCount, 0);
    });
  });
});
