import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  defineConfig,
  defineFunction,
  localPrincipal,
  readSettings,
  startServer,
  startWorker,
} from '@opspawn/ops-core';
import { PostgresServer } from '../../scripts/services/postgres.ts';

// The services of the run cannot be killed: others use them. Where they could not be had, nor can this one.
const skip = process.env.OPSPAWN_TEST_POSTGRES_URL === undefined ? 'PostgreSQL is missing' : false;

describe('a server and a worker that lose PostgreSQL', { skip, timeout: 300_000 }, () => {
  it('answer 503, hold the result of what runs back, and write it when it is there again', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'opspawn-postgres-'));
    chmodSync(folder, 0o755);
    t.after(() => rmSync(folder, { recursive: true }));
    await using postgres = await PostgresServer.create(folder);
    const settings = readSettings({
      OPSPAWN_DATABASE_URL: postgres.url,
      OPSPAWN_PORT: '0',
      OPSPAWN_LOG_LEVEL: 'silent',
      OPSPAWN_LEASE_TTL_MS: '60000',
    });
    const begun = Promise.withResolvers<void>();
    const away = Promise.withResolvers<void>();
    let calls = 0;
    const pay = defineFunction({
      name: 'pay',
      run: async (ctx) => {
        const receipt = await ctx.step(
          'pay',
          async () => {
            calls += 1;
            begun.resolve();
            await away.promise;
            return `receipt ${calls}`;
          },
          { effect: 'once' },
        );
        return await ctx.step('book', () => receipt);
      },
    });
    const loaded = { path: 'opspawn.config.ts', config: defineConfig({ functions: [pay] }) };
    await using _worker = await startWorker({ settings, loaded });
    await using server = await startServer({ settings });
    const { task } = await server.engine.submit(localPrincipal, { name: 'pay' });
    await begun.promise;

    await postgres.kill();
    away.resolve();
    const refused = await fetch(`${server.url}/v1/tasks/${task.id}`);
    assert.equal(refused.status, 503);
    assert.match(refused.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    assert.equal(((await refused.json()) as { code: string }).code, 'unavailable');
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
    assert.equal((await fetch(`${server.url}/ready`)).status, 503);

    await postgres.start();
    for await (const _ of server.engine.follow(localPrincipal, task.id, { after: 0, signal: t.signal }));
    const ended = await server.engine.get(localPrincipal, task.id);
    assert.deepEqual([ended.status, ended.output, ended.attempt, calls], ['completed', 'receipt 1', 1, 1]);
  });
});
