import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import {
  createTestDatabase,
  emptyDatabase,
  skipWithoutPostgres,
  type TestDatabase,
} from '../../../test/postgres/test-database.ts';
import type { StoreUnderTest } from '../contract/scenario.ts';
import { storeCases } from '../contract.ts';
import { openPostgresStore } from './database/open-store.ts';

/** The clock is a function in the database: that of a test's own database can be set. */
const setClock = (at: number): string =>
  `create or replace function opspawn.now_ms() returns bigint language sql volatile parallel safe as 'select ${at}::bigint'`;

/**
 * As a later version may do under a process of this one: two versions run side by side, and functions of the one that was
 * released cannot be mended any more. Everything else is tested on tables without these columns.
 */
async function addLaterColumns(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = 'opspawn' and tablename <> 'migrations'",
  );
  const add = 'add column later_text text, add column later_number integer not null default 7';
  await client.query(rows.map(({ name }) => `alter table opspawn.${name} ${add};`).join(' '));
}

/** Of the database, for all that connect: what somebody else's programs may need. */
async function setUnusualDefaults(client: pg.Client, url: string): Promise<void> {
  const name = new URL(url).pathname.slice(1);
  for (const [setting, value] of [
    ['default_transaction_isolation', 'repeatable read'],
    ['extra_float_digits', '-5'],
    ['datestyle', 'German'],
    ['timezone', 'Asia/Kathmandu'],
    ['bytea_output', 'escape'],
    ['array_nulls', 'off'],
    ['standard_conforming_strings', 'off'],
    ['transform_null_equals', 'on'],
  ])
    await client.query(`alter database ${name} set ${setting} = '${value}'`);
}

async function openSubject(url: string, client: pg.Client): Promise<StoreUnderTest> {
  let at = Date.now();
  await emptyDatabase(client);
  await client.query(setClock(at));
  const store = await openPostgresStore({ url });
  return {
    store,
    advance: async (ms) => {
      // On a busy machine the store's time has left a clock behind that stands still.
      at = Math.max(at, await store.now()) + ms;
      await client.query(setClock(at));
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe('the store in PostgreSQL, with columns of a later version and unusual defaults', {
  skip: skipWithoutPostgres,
}, () => {
  let database: TestDatabase;
  let client: pg.Client;
  before(async () => {
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await addLaterColumns(client);
    await setUnusualDefaults(client, database.url);
  });
  after(async () => {
    await client.end();
    await database[Symbol.asyncDispose]();
  });

  for (const { promise, run } of storeCases) {
    it(promise, async () => {
      await using subject = await openSubject(database.url, client);
      await run(subject);
    });
  }
});
