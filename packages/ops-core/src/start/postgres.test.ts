import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import pg from 'pg';
import { runTask, temporaryFolder, testSettings } from '../../test/opspawn.ts';
import { createTestDatabase, skipWithoutPostgres } from '../../test/postgres/test-database.ts';
import { localPrincipal } from '../auth/principal.ts';
import { readSettings } from '../config.ts';
import { defineFunction } from '../tasks/definitions/definition.ts';
import { defineConfig } from '../tasks/definitions/user-config.ts';
import { startServer, startWorker } from './start.ts';

const echo = defineFunction({ name: 'echo', run: (ctx, input) => ctx.step('echo', () => input) });

function settingsOn(t: TestContext, url: string, environment: Record<string, string> = {}) {
  const { database } = readSettings({ ...environment, OPSPAWN_DATABASE_URL: url });
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

  it('hold no more connections than the process may, and do all the same', async (t) => {
    await using database = await createTestDatabase();
    const loaded = { path: 'opspawn.config.ts', config: defineConfig({ functions: [echo] }) };
    await using worker = await startWorker({
      settings: settingsOn(t, database.url, { OPSPAWN_DATABASE_CONNECTIONS: '6' }),
      loaded,
    });
    const { engine } = worker;
    const running = Array.from({ length: 50 }, () => runTask(t, engine, { name: 'echo', input: 'hi' }));
    const lists = Array.from({ length: 50 }, () => engine.list(localPrincipal, { limit: 100 }));
    for (const { task } of await Promise.all(running)) assert.equal(task.output, 'hi');
    await Promise.all(lists);
    // Idle ones stay open for a minute.
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query<{ count: number }>(
      'select count(*)::int from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    );
    await client.end();
    assert.ok(rows[0] !== undefined && rows[0].count <= 6, `${rows[0]?.count} connections`);
  });
});
