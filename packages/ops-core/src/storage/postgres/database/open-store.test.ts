import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OpspawnError } from '@opspawn/agentkit/schema';
import pg from 'pg';
import {
  createEmptyDatabase,
  createTestDatabase,
  skipWithoutPostgres,
} from '../../../../test/postgres/test-database.ts';
import { newTask } from '../../contract/scenario.ts';
import type { Store } from '../../store.ts';
import { sqlStates } from './failure.ts';
import { retireDatabase } from './moved.ts';
import { openPostgresStore } from './open-store.ts';

async function connect(url: string): Promise<{ client: pg.Client } & AsyncDisposable> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  return { client, [Symbol.asyncDispose]: () => client.end() };
}

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
    await assert.rejects(
      store.checkWritable(),
      { code: 'unavailable', message: /read-only/ },
      'nor is it ready',
    );
  });

  it('is refused for a role that may not write, naming the one that may', async () => {
    await using database = await createTestDatabase();
    const role = `reader_${randomUUID().replaceAll('-', '')}`;
    await using admin = await connect(database.url);
    await admin.client.query(`create role ${role} login password 'reader'; grant usage on schema opspawn to ${role};
      grant select on all tables in schema opspawn to ${role}`);
    try {
      const url = changed(database.url, { username: role, password: 'reader' });
      await assert.rejects(openPostgresStore({ url }), (error: OpspawnError) => {
        assert.equal(error.code, 'config_invalid');
        assert.match(error.message, new RegExp(`the role ${role} may not read and write`));
        assert.match(String(error.details.hint), new RegExp(`grant "opspawn" to "${role}"`));
        return true;
      });
    } finally {
      await admin.client.query(`drop owned by ${role}; drop role ${role}`);
    }
  });

  it('answers unavailable where no connection is left, and says how to need fewer', async () => {
    await using database = await createTestDatabase();
    const role = `crowded_${randomUUID().replaceAll('-', '')}`;
    await using admin = await connect(database.url);
    await admin.client.query(`create role ${role} login password 'crowded' connection limit 0`);
    try {
      const url = changed(database.url, { username: role, password: 'crowded' });
      await assert.rejects(openPostgresStore({ url }), (error: OpspawnError) => {
        assert.equal(error.code, 'unavailable');
        assert.match(String(error.details.hint), /OPSPAWN_DATABASE_CONNECTIONS/);
        return true;
      });
    } finally {
      await admin.client.query(`drop role ${role}`);
    }
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

describe('a PostgreSQL database that is taken away while it is open', { skip: skipWithoutPostgres }, () => {
  const submit = (store: Store) => store.write({ op: 'submit', task: newTask() });
  const gone = { code: 'unavailable', retryAfterMs: 1000 };

  it('is unavailable while it has another name or is dropped, and goes on when it is back', async () => {
    await using other = await createEmptyDatabase();
    await using database = await createTestDatabase();
    await using admin = await connect(other.url);
    const name = new URL(database.url).pathname.slice(1);
    const moveAway = async (query: string) => {
      await admin.client.query(`alter database ${name} allow_connections false`);
      await admin.client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [
        name,
      ]);
      await admin.client.query(query);
    };
    await using store = await openPostgresStore({ url: database.url, giveUpAfterMs: 50 });
    await submit(store);
    await moveAway(`alter database ${name} rename to ${name}_away`);
    await assert.rejects(submit(store), gone);
    await assert.rejects(store.task('default', newTask().id), gone);
    await admin.client.query(`alter database ${name}_away rename to ${name}`);
    await admin.client.query(`alter database ${name} allow_connections true`);
    await submit(store);
    assert.equal((await store.tasks({ namespace: 'default' }, { limit: 10 })).length, 2);
    await moveAway(`drop database ${name}`);
    await assert.rejects(submit(store), gone);
    // For the end of this test, which drops it.
    await admin.client.query(`create database ${name}`);
    await assert.rejects(submit(store), gone, 'an empty one of that name is not the same');
  });

  it('is unavailable while its tables are gone or its role may not use them', async () => {
    await using database = await createTestDatabase();
    await using admin = await connect(database.url);
    await using store = await openPostgresStore({ url: database.url, giveUpAfterMs: 50 });
    await submit(store);
    await admin.client.query('alter schema opspawn rename to being_restored');
    await assert.rejects(submit(store), gone);
    await assert.rejects(store.tasks({ namespace: 'default' }, { limit: 10 }), gone);
    await admin.client.query('alter schema being_restored rename to opspawn');
    await submit(store);
    assert.equal((await store.tasks({ namespace: 'default' }, { limit: 10 })).length, 2);
  });

  it('is unavailable while it does not answer, as soon as when it refuses', { timeout: 15_000 }, async () => {
    await using database = await createTestDatabase();
    await using admin = await connect(database.url);
    await using store = await openPostgresStore({ url: database.url, giveUpAfterMs: 50 });
    await submit(store);
    await admin.client.query('begin; lock table opspawn.tasks in access exclusive mode');
    await assert.rejects(submit(store), gone);
    await assert.rejects(store.tasks({ namespace: 'default' }, { limit: 10 }), gone);
    await admin.client.query('rollback');
    await submit(store);
  });

  it('is unavailable to a write for which its disk has no room, however long others wait', {
    timeout: 15_000,
  }, async () => {
    await using database = await createTestDatabase();
    await using admin = await connect(database.url);
    await using store = await openPostgresStore({ url: database.url, giveUpAfterMs: 600_000 });
    await submit(store);
    await admin.client.query(`create function opspawn.refuse() returns trigger language plpgsql
      as $$ begin raise exception 'could not extend file' using errcode = '${sqlStates.diskFull}'; end $$;
      create trigger refuse before insert on opspawn.tasks for each statement execute function opspawn.refuse()`);
    await assert.rejects(submit(store), gone);
    await store.checkWritable();
    await admin.client.query('drop trigger refuse on opspawn.tasks');
    await submit(store);
  });

  it('gives up first on who asked first, also when what was asked later fails before', {
    timeout: 25_000,
  }, async () => {
    await using database = await createTestDatabase();
    await using admin = await connect(database.url);
    // Within its transaction it would see the same again.
    await using observer = await connect(database.url);
    await using store = await openPostgresStore({ url: database.url, giveUpAfterMs: 3_000 });
    await submit(store);
    await admin.client.query('begin; lock table opspawn.tasks in access exclusive mode');
    const ends: string[] = [];
    const first = assert.rejects(submit(store), gone).then(() => ends.push('first'));
    await sleep(1_500);
    const tasks = store.tasks({ namespace: 'default' }, { limit: 10 });
    const second = assert.rejects(tasks, gone).then(() => ends.push('second'));
    const waiting = `select pid from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' order by query_start desc`;
    while ((await observer.client.query(waiting)).rowCount !== 2) await sleep(10);
    await observer.client.query(`select pg_terminate_backend(pid) from (${waiting} limit 1) latest`);
    await Promise.all([first, second]);
    assert.deepEqual(ends, ['first', 'second']);
    await admin.client.query('rollback');
  });

  it('says so to who has it open still when its data was moved to another', async () => {
    await using database = await createTestDatabase();
    await using store = await openPostgresStore({ url: database.url, giveUpAfterMs: 50 });
    await using admin = await connect(database.url);
    await retireDatabase(admin.client, 'postgres://there');
    await assert.rejects(submit(store), { code: 'unavailable', message: /was moved to another: start/ });
    await assert.rejects(openPostgresStore({ url: database.url }), { code: 'config_invalid' });
  });
});
