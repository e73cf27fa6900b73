import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { OpspawnError } from '@opspawn/agentkit';
import { localPrincipal, readSettings, startServer } from '@opspawn/ops-core';
import pg from 'pg';
import { PostgresServer, unprivilegedUser } from '../../scripts/services/postgres.ts';
import { canMount, SmallDisk } from '../../scripts/services/small-disk.ts';

const skip = process.env.OPSPAWN_TEST_POSTGRES_URL === undefined ? 'PostgreSQL is missing' : false;

describe('a server on PostgreSQL', { skip, timeout: 300_000 }, () => {
  // Where nothing can be mounted the fault suite says so; a skip would fail in CI.
  if (canMount())
    it('is not ready while the disk of the tables is full, and is again when there is room', async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'opspawn-postgres-'));
      chmodSync(folder, 0o755);
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      for (const name of ['cluster', 'disk']) mkdirSync(join(folder, name));
      using disk = new SmallDisk(join(folder, 'disk'), 64);
      const { uid = 0, gid = uid } = unprivilegedUser();
      mkdirSync(join(disk.folder, 'tables'), { mode: 0o700 });
      chownSync(join(disk.folder, 'tables'), uid, gid);
      await using postgres = await PostgresServer.create(join(folder, 'cluster'));
      const url = await createDatabaseOn(postgres.url, join(disk.folder, 'tables'));
      await using server = await startServer({
        settings: readSettings({
          OPSPAWN_DATABASE_URL: url,
          OPSPAWN_PORT: '0',
          OPSPAWN_LOG_LEVEL: 'silent',
        }),
      });
      const set = (n: number) =>
        server.engine.setLimit(localPrincipal, { key: `${n}`.padStart(200, 'x'), maxRunning: 1 });
      const readiness = async () => (await fetch(`${server.url}/ready`)).status;
      await set(0);
      assert.equal(await readiness(), 200);
      disk.fill();
      assert.equal(await untilRefused(set), 'unavailable');
      assert.equal(await readiness(), 503);
      assert.equal(await readiness(), 503);
      disk.free();
      assert.equal(await readiness(), 200);
      await set(0);
    });
});

async function createDatabaseOn(serverUrl: string, folder: string): Promise<string> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  await client.query(`create tablespace small location '${folder}'`);
  await client.query('create database small template template0 tablespace small');
  await client.end();
  return Object.assign(new URL(serverUrl), { pathname: '/small' }).href;
}

/** Pages that are there have room for some. The code of the first refusal. */
async function untilRefused(write: (n: number) => Promise<unknown>): Promise<string> {
  for (let n = 1; ; n += 1)
    try {
      await write(n);
    } catch (thrown) {
      if (thrown instanceof OpspawnError) return thrown.code;
      throw thrown;
    }
}
