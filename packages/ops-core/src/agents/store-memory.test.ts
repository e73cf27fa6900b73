import { after, before, describe, it } from 'node:test';
import { memoryCases, memoryClock } from '@opspawn/agentkit/testing';
import {
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

describe('memory in the store in PostgreSQL', { skip: skipWithoutPostgres }, () => {
  let database: TestDatabase;
  before(async () => {
    database = await createTestDatabase();
  });
  after(() => database[Symbol.asyncDispose]());

  for (const { promise, run } of memoryCases) {
    it(promise, async () => {
      await emptyDatabase(database.url);
      await using store = await openPostgresStore({ url: database.url });
      await run({ clock: memoryClock(), open: (options) => storeMemory(store, options) });
    });
  }
});
