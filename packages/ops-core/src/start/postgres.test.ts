import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { runTask, temporaryFolder, testSettings } from '../../test/opspawn.ts';
import { createTestDatabase, skipWithoutPostgres } from '../../test/postgres/test-database.ts';
import { readSettings } from '../config.ts';
import { defineFunction } from '../tasks/definitions/definition.ts';
import { defineConfig } from '../tasks/definitions/user-config.ts';
import { startServer, startWorker } from './start.ts';

const echo = defineFunction({ name: 'echo', run: (ctx, input) => ctx.step('echo', () => input) });

function settingsOn(t: TestContext, url: string) {
  const { database } = readSettings({ OPSPAWN_DATABASE_URL: url });
  return testSettings(temporaryFolder(t), { database });
}

describe('a server and a worker on PostgreSQL', { skip: skipWithoutPostgres }, () => {
  it('share nothing but its URL, and the worker runs what the server takes', async (t) => {
    await using database = await createTestDatabase();
    const loaded = { path: 'opspawn.config.ts', config: defineConfig({ functions: [echo] }) };
    await using _worker = await startWorker({ settings: settingsOn(t, database.url), loaded });
    await using server = await startServer({ settings: settingsOn(t, database.url) });
    const { task } = await runTask(t, server.engine, { name: 'echo', input: 'hi' });
    assert.equal(task.output, 'hi');
  });
});
