import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OpspawnError } from '@opspawn/agentkit/schema';
import { finish, readyIds, status, submit, submitAndClaim, task } from '../../contract/scenario.ts';
import { startLoad, temporaryDatabase } from '../load/load.ts';
import { retireDatabase } from './moved.ts';
import { openSqliteStore } from './open-store.ts';
import { readSqliteStatus } from './status.ts';

/** Root may write everywhere: as root the work is done by a user who may not. Nothing else of the process runs meanwhile. */
async function asNobody(work: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return await work();
  process.seteuid?.(65_534);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
  }
}

describe('opening a store', () => {
  it('finds what was written before, in folders that it makes', async () => {
    using database = temporaryDatabase();
    const path = join(database.path, 'deep', 'store.db');
    let taskId: string;
    {
      await using store = await openSqliteStore({ path });
      const owner = await submitAndClaim(store, { input: '1' });
      await finish(store, owner, 'completed', 1, '{"output":2}');
      taskId = owner.taskId;
    }
    await using store = await openSqliteStore({ path });
    const row = await task(store, taskId);
    assert.deepEqual([row.status, row.input, row.outcome], ['completed', '1', '{"output":2}']);
  });

  it('may be done by several processes at once on a file that does not exist yet', async () => {
    using database = temporaryDatabase();
    const loads = [1, 2, 3, 4].map(() => startLoad(database.path, { tasks: 1 }));
    await Promise.all(loads.map((load) => load.begun));
    await Promise.all(loads.map((load) => load.stop('SIGTERM')));
    const submitted = loads.flatMap((load) => load.said.filter((line) => line.startsWith('s ')));
    assert.equal(submitted.length, 4);
  });

  it('refuses a database of a later version, and leaves it as it is', async () => {
    using database = temporaryDatabase();
    await (await openSqliteStore({ path: database.path }))[Symbol.asyncDispose]();
    using later = new DatabaseSync(database.path);
    later.exec('pragma user_version = 9999');
    await assert.rejects(openSqliteStore({ path: database.path }), {
      code: 'schema_too_new',
      message: /has schema 9999.*up to 1$/,
    });
    assert.equal(later.prepare('pragma user_version').get()?.user_version, 9999);
  });

  it('refuses files of other programs', async () => {
    using database = temporaryDatabase();
    using other = new DatabaseSync(database.path, { returnArrays: true });
    other.exec('create table mine (a)');
    await assert.rejects(openSqliteStore({ path: database.path }), { code: 'config_invalid' });
    const text = `${database.path}.txt`;
    writeFileSync(text, 'no database, but a text that is long enough to be taken for one '.repeat(20));
    await assert.rejects(openSqliteStore({ path: text }), { code: 'config_invalid' });
  });

  it('is refused, with the cause and what to do, for a file that is damaged or cannot be one', async () => {
    using database = temporaryDatabase();
    await (await openSqliteStore({ path: database.path }))[Symbol.asyncDispose]();
    const folder = dirname(database.path);
    const damaged = join(folder, 'damaged.db');
    copyFileSync(database.path, damaged);
    truncateSync(damaged, 9_000);
    const cases: [string, RegExp][] = [
      [join(database.path, 'store.db'), /in a folder that this user may read and write/],
      [folder, /It must be a file/],
      [damaged, /Restore a backup/],
    ];
    for (const [path, hint] of cases)
      await assert.rejects(openSqliteStore({ path }), (error: OpspawnError) => {
        assert.equal(error.code, 'config_invalid');
        assert.ok(error.message.includes(path));
        assert.match(String(error.details.hint), hint);
        assert.ok(error.cause instanceof Error);
        return true;
      });
  });

  it('is refused where this user may only read, and looking at it goes on', async () => {
    using database = temporaryDatabase();
    await (await openSqliteStore({ path: database.path }))[Symbol.asyncDispose]();
    const folder = dirname(database.path);
    chmodSync(folder, 0o755);
    chmodSync(database.path, 0o444);
    using reader = new DatabaseSync(database.path);
    reader.exec('select count(*) from tasks');
    const isRefused = (error: OpspawnError): boolean =>
      error.code === 'config_invalid' && /give this user the right to/.test(String(error.details.hint));
    await asNobody(async () => {
      await assert.rejects(openSqliteStore({ path: database.path }), isRefused);
      assert.equal(readSqliteStatus(database.path).schema.version, 1);
    });
    chmodSync(folder, 0o000);
    await asNobody(async () => assert.throws(() => readSqliteStatus(database.path), isRefused));
    chmodSync(folder, 0o700);
  });

  it('goes on from the last time that was given out, although the clock was set back', async () => {
    using database = temporaryDatabase();
    const { path } = database;
    const at = Date.now();
    {
      await using store = await openSqliteStore({ path, now: () => at });
      await submit(store);
    }
    await using store = await openSqliteStore({ path, now: () => at - 3_600_000 });
    assert.equal(await store.now(), at);
    assert.equal((await task(store, await submit(store))).createdAt, at);
  });

  it('has what was put off come due, although the clock was set back', async () => {
    let at = Date.now();
    await using store = await openSqliteStore({ path: ':memory:', now: () => at });
    const dueAt = (await store.now()) + 1000;
    const taskId = await submit(store, { dueAt });
    at -= 3_600_000;
    assert.equal(await store.promoteDue(10), dueAt);
    for (let ms = 0; ms < 2000; ms += 1) {
      at += 1;
      await store.now();
    }
    assert.equal(await store.promoteDue(10), undefined);
    assert.deepEqual(await readyIds(store), [taskId]);
    at += 3_600_000 * 2;
    assert.equal(await store.now(), at, 'the clocks agree again');
  });
});

describe('closing a store', () => {
  it('answers what was asked for before, and says unavailable from then on', async () => {
    using database = temporaryDatabase();
    const store = await openSqliteStore({ path: database.path });
    const submitted = Array.from({ length: 5 }, () => submit(store));
    await store[Symbol.asyncDispose]();
    assert.equal((await Promise.all(submitted)).length, 5);
    await assert.rejects(submit(store), { code: 'unavailable' });
    await assert.rejects(store.task('default', 'any'), { code: 'unavailable' });
    await store[Symbol.asyncDispose]();
  });
});

describe('a file that another process has locked', () => {
  it('makes writers wait without blocking the event loop, and then they are done', async () => {
    using database = temporaryDatabase();
    await using store = await openSqliteStore({ path: database.path });
    using other = new DatabaseSync(database.path, { returnArrays: true });
    other.exec('begin immediate');
    let isDone = false;
    const submitted = submit(store).finally(() => {
      isDone = true;
    });
    await sleep(50);
    assert.equal(isDone, false);
    other.exec('commit');
    assert.equal(await status(store, await submitted), 'pending');
  });

  it('makes writers give up as unavailable when it stays locked, with nothing written', async () => {
    using database = temporaryDatabase();
    await using store = await openSqliteStore({ path: database.path, giveUpAfterMs: 30 });
    using other = new DatabaseSync(database.path, { returnArrays: true });
    other.exec('begin immediate');
    await assert.rejects(submit(store), { code: 'unavailable' });
    await assert.rejects(store.checkWritable(), { code: 'unavailable' });
    assert.deepEqual(await store.tasks({ namespace: 'default' }, { limit: 10 }), []);
    other.exec('commit');
    await store.checkWritable();
    assert.equal(await status(store, await submit(store)), 'pending');
    assert.equal((await store.tasks({ namespace: 'default' }, { limit: 10 })).length, 1);
  });
});

describe('a disk that is full', { timeout: 300_000 }, () => {
  it('makes writes unavailable until there is room again, keeps all that was acknowledged, and breaks nothing', async () => {
    using database = temporaryDatabase();
    // No file may grow beyond 1 MB (2,000 blocks of 512 bytes), and trying so is an error, not a signal.
    const limit = 'trap "" XFSZ; ulimit -S -f 2000; exec "$@"';
    const load = startLoad(database.path, { launcher: ['sh', '-c', limit, 'sh'] });
    const failed = () => load.said.filter((line) => line.startsWith('e '));
    while (failed().length === 0) await sleep(10);
    // Room is made: the same process goes on.
    const { status: raised, stderr } = spawnSync('prlimit', [`--pid=${load.pid}`, '--fsize=unlimited:'], {
      encoding: 'utf8',
    });
    assert.equal(raised, 0, stderr);
    const before = load.said.length;
    while (!load.said.slice(before).some((line) => line.startsWith('s '))) await sleep(10);
    await load.stop('SIGKILL');
    assert.deepEqual(new Set(failed()), new Set(['e unavailable']));
    await using store = await openSqliteStore({ path: database.path });
    const acknowledged = load.said.filter((line) => line.startsWith('s ')).map((line) => line.slice(2));
    assert.ok(acknowledged.length > 0);
    for (const taskId of acknowledged) assert.ok(await store.task('load', taskId));
    using checked = new DatabaseSync(database.path);
    assert.equal(checked.prepare('pragma integrity_check').get()?.integrity_check, 'ok');
    assert.equal(await status(store, await submit(store)), 'pending');
  });
});

describe('a database whose files are taken away while it is open', () => {
  for (const ending of ['', '-wal']) {
    it(`says unavailable until the file ${ending} is back, and acknowledges nothing meanwhile`, async () => {
      using database = temporaryDatabase();
      await using store = await openSqliteStore({ path: database.path });
      const before = await submit(store);
      const file = `${database.path}${ending}`;
      renameSync(file, `${file}.away`);
      const gone = { code: 'unavailable', message: /was moved, deleted or replaced/ };
      await assert.rejects(submit(store), gone);
      await assert.rejects(store.task('default', before), gone);
      await assert.rejects(store.now(), gone);
      writeFileSync(file, 'of somebody else');
      await assert.rejects(submit(store), gone);
      rmSync(file);
      renameSync(`${file}.away`, file);
      assert.equal(await status(store, await submit(store)), 'pending');
      assert.equal((await store.tasks({ namespace: 'default' }, { limit: 10 })).length, 2);
    });
  }

  it('and whose data was moved to another says so to who has it open still', async () => {
    using database = temporaryDatabase();
    await using store = await openSqliteStore({ path: database.path });
    using other = new DatabaseSync(database.path, { returnArrays: true });
    retireDatabase(other, 'postgres://there');
    await assert.rejects(submit(store), { code: 'unavailable', message: /was moved to another: start/ });
    await assert.rejects(openSqliteStore({ path: database.path }), {
      code: 'config_invalid',
      message: /was moved to postgres:\/\/there/,
    });
  });
});
