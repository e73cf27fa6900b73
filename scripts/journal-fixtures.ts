/**
 * Writes the journals of the current schema as a fixture: `node scripts/bootstrap.mjs scripts/journal-fixtures.ts`. Do so before a release, and whenever a
 * migration is added; those of earlier schemas stay as they are.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createLog,
  defineConfig,
  localPrincipal,
  readSettings,
  startWorker,
} from '../packages/ops-core/src/index.ts';
import { readMigrations } from '../packages/ops-core/src/storage/postgres/database/migrate.ts';
import { openSqliteEnd } from '../packages/ops-core/src/storage/sqlite/database/copy-end.ts';
import { config, parked } from '../packages/ops-core/test/journals/definitions.ts';
import { dump } from '../packages/ops-core/test/journals/fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'opspawn-fixtures-'));
const settings = readSettings({ OPSPAWN_DATA_DIR: folder, OPSPAWN_SHUTDOWN_GRACE_MS: '0' });
const start = () =>
  startWorker({
    settings,
    log: createLog({ level: 'silent' }),
    loaded: { path: folder, config: defineConfig(config) },
  });

async function park(): Promise<void> {
  const tasks: { id: string; name: string }[] = [];
  {
    await using worker = await start();
    for (const name of Object.keys(parked)) {
      const input = name === 'clerk' ? 'Ask how many.' : null;
      tasks.push(
        (await worker.engine.submit(localPrincipal, { name, input, sessionId: `session of ${name}` })).task,
      );
    }
    // Long enough for the payment to begin; its worker then leaves in the middle.
    await sleep(2_000);
  }
  await using worker = await start();
  for (const { id, name } of tasks) {
    let status = '';
    for (let tries = 0; tries < 200 && status !== parked[name]; tries += 1) {
      status = (await worker.engine.get(localPrincipal, id)).status;
      await sleep(50);
    }
    assert.equal(status, parked[name], name);
  }
}

try {
  await park();
  const { database } = settings;
  assert.equal(database.kind, 'sqlite');
  await using end = await openSqliteEnd(database.path, 'source');
  const schema = readMigrations().at(-1)?.file.slice(0, 4) ?? assert.fail();
  const file = new URL(`../packages/ops-core/test/journals/${schema}.jsonl`, import.meta.url);
  writeFileSync(file, await dump(end));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
