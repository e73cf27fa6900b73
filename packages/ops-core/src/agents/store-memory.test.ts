import { after, before, describe, it } from 'node:test';
import { memoryCases, memoryClock } from '@opspawn/agentkit/testing';
import {
  addPgvector,
  canAddPgvector,
  createTestDatabase,
  emptyDatabase,
  skipWithoutPostgres,
  type TestDatabase,
} from '../../test/postgres/test-database.ts';
import { openPostgresStore } from '../storage/postgres/database/open-store.ts';
import { openSqliteStore } from '../storage/sqlite/database/open-store.ts';
import { storeMemory } from './store-memory.ts';

describe('memory in the store in SQLite', () => {
  for (const { promise, run } of memoryCases) {
    it(promise, async () => {
      await using store = await openSqliteStore({ path: ':memory:' });
      await run({ clock: memoryClock(), open: (options) => storeMemory(store, options) });
    });
  }
});

/** Runs the cases in a database of their own; with pgvector it is in a schema that is nobody's search path. */
function casesInPostgres({ withPgvector }: { withPgvector: boolean }): void {
  let database: TestDatabase;
  before(async () => {
    database = await createTestDatabase();
    if (withPgvector) await addPgvector(database.url);
  });
  after(() => database[Symbol.asyncDispose]());

  for (const { promise, run } of memoryCases) {
    it(promise, async () => {
      await emptyDatabase(database.url);
      await using store = await openPostgresStore({ url: database.url });
      await run({ clock: memoryClock(), open: (options) => storeMemory(store, options) });
    });
  }
}

describe('memory in the store in PostgreSQL', { skip: skipWithoutPostgres }, () => {
  casesInPostgres({ withPgvector: false });
});

// Debian 12 has no package of pgvector: not to have it is no reason to fail.
if (await canAddPgvector())
  describe('memory in the store in PostgreSQL with pgvector', () => casesInPostgres({ withPgvector: true }));
