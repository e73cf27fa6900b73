import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import {
  createTestDatabase,
  emptyDatabase,
  skipWithoutPostgres,
  type TestDatabase,
} from '../../test/postgres/test-database.ts';
import { newId } from '../domain/new-id.ts';
import {
  claim,
  claimOnly,
  entry,
  finish,
  item,
  namespace,
  newTask,
  newWorker,
  post,
  readyIds,
  status,
  submit,
  submitAndClaim,
  suspend,
  wait,
} from './contract/scenario.ts';
import { type CopyEnd, copyStore } from './copy.ts';
import { openPostgresEnd } from './postgres/database/copy-end.ts';
import { openPostgresStore } from './postgres/database/open-store.ts';
import { openSqliteEnd } from './sqlite/database/copy-end.ts';
import { openSqliteStore } from './sqlite/database/open-store.ts';
import type { Store } from './store.ts';

/** One database that can be opened as a store, or to be copied. */
interface Place {
  store(): Promise<Store>;
  end(role: 'source' | 'target'): Promise<CopyEnd>;
  /** As when all workers had died a while ago. */
  expireLeases(): Promise<void>;
}

const big = JSON.stringify(`${'x'.repeat(100_000)}\u0000\u0001ä😀`);

interface Filled {
  readonly running: string;
  readonly waiting: string;
  readonly doubtful: string;
  readonly paused: string;
  readonly later: string;
  readonly keyed: string;
  readonly inLine: readonly string[];
  readonly reopened: string;
}

/** Tasks in every state, with everything that a task can have. */
async function fill(store: Store): Promise<Filled> {
  const ended = await submitAndClaim(store, { input: big, options: '{"metadata":{"a":"\\u0000"}}' });
  await store.write({
    op: 'append',
    owner: ended,
    entries: [entry(1, { data: big, name: 'a\u0000', branch: '' })],
  });
  await finish(store, ended, 'completed', 2, big);
  const reopened = await submitAndClaim(store, { name: 'reopened' });
  await finish(store, reopened, 'failed', 1, '{"error":{"code":"timeout"}}');
  await store.write({ op: 'reopen', namespace, taskId: reopened.taskId, itemId: newId() });
  await post(store, reopened.taskId, item('pause'));
  const failed = await submitAndClaim(store);
  await finish(store, failed, 'failed', 1, '{"error":{"code":"timeout"}}');
  const cancelled = await submitAndClaim(store);
  await finish(store, cancelled, 'cancelled');
  const waiting = await submitAndClaim(store);
  await post(store, waiting.taskId, item('signal', { key: 'signal:early', data: big }));
  await suspend(store, waiting, [
    wait({ key: 'signal:go' }),
    wait({ kind: 'sleep', dueAt: Date.now() + 1e9 }),
  ]);
  const doubtful = await submitAndClaim(store);
  const intent = entry(1, { type: 'step.intended', branch: '', name: 'pay', count: 1, data: '{}' });
  await store.write({ op: 'append', owner: doubtful, entries: [intent] });
  await suspend(store, doubtful, [wait({ kind: 'doubt', key: 'decision:h', hash: 'h', data: big })]);
  const paused = await submitAndClaim(store);
  await store.write({ op: 'pause', owner: paused, entries: [], reason: 'budget' });
  const later = await submit(store, { dueAt: Date.now() + 1e9, priority: 1 });
  const keyed = await submit(store, {
    idempotencyKey: 'k\u0001',
    requestDigest: 'd',
    dueAt: Date.now() + 1e9,
  });
  await submit(store, { namespace: 'other', queue: 'elsewhere' });
  const head = await submitAndClaim(store, { sessionId: 's' });
  await store.appendSession(namespace, 's', { runId: 'r1', messages: '["\\u0000"]' });
  await store.appendSession(namespace, 's', { runId: 'r2', messages: '[2]' });
  await store.setNamespaceSettings('other', '{}');
  const inLine = [
    head.taskId,
    await submit(store, { sessionId: 's' }),
    await submit(store, { sessionId: 's' }),
  ];
  await finish(store, head);
  const dead = await newWorker(store);
  const running = await submit(store, { priority: 0 });
  await store.claim({ workerId: dead, queues: ['default'], limit: 1, attemptTimeoutMs: 1e6 });
  await store.registerDefinitions([
    { namespace, kind: 'function', name: 'noop', version: '1', queue: 'default', data: '{}' },
  ]);
  return {
    running,
    waiting: waiting.taskId,
    doubtful: doubtful.taskId,
    paused: paused.taskId,
    later,
    keyed,
    inLine,
    reopened: reopened.taskId,
  };
}

/** All that can be seen. What was running is pending where nobody runs it. */
async function look(store: Store): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (const space of [namespace, 'other']) {
    for (const task of await store.tasks({ namespace: space }, { limit: 1000 })) {
      const found = task.status === 'running' ? { ...task, status: 'pending' } : task;
      seen.push(found, await store.journal(task.id, 0, 100), await store.inbox(task.id));
    }
    seen.push(
      await store.session(space, 's'),
      await store.definitions(space),
      await store.namespaceSettings(space),
    );
    seen.push(await store.failures({ namespace: space }, 10));
  }
  return seen;
}

/** The tasks go on, in the order in which they would have. */
async function goOn(store: Store, filled: Filled): Promise<void> {
  const { running, waiting, doubtful, paused, later, keyed, inLine, reopened } = filled;
  const [again] = await claim(store, await newWorker(store), { limit: 1 });
  assert.deepEqual([again?.taskId, again?.attempt], [running, 2], 'the most urgent one');
  const second = await claimOnly(store, inLine[1] ?? '');
  await finish(store, second);
  assert.deepEqual(await readyIds(store), [inLine[2]]);
  await post(store, waiting, item('signal', { key: 'signal:go' }));
  await post(store, doubtful, item('decision', { key: 'decision:h' }));
  assert.deepEqual(
    (await store.inbox(waiting)).map(({ key }) => key),
    ['signal:early', 'signal:go'],
  );
  assert.deepEqual((await readyIds(store)).sort(), [waiting, doubtful].sort());
  for (const taskId of [paused, reopened]) {
    assert.equal(await status(store, taskId), 'paused');
    await post(store, taskId, item('resume'));
  }
  assert.deepEqual((await readyIds(store)).sort(), [paused, reopened].sort());
  assert.equal((await store.task(namespace, later))?.status, 'pending');
  const repeated = newTask({ idempotencyKey: 'k\u0001', requestDigest: 'd' });
  const { outcome, taskId } = await store.write({ op: 'submit', task: repeated });
  assert.deepEqual([outcome, taskId], ['existing', keyed]);
  await store.appendSession(namespace, 's', { runId: 'r3', messages: '[3]' });
  assert.deepEqual(
    (await store.session(namespace, 's')).map(({ runId }) => runId),
    ['r1', 'r2', 'r3'],
  );
}

const folder = mkdtempSync(join(tmpdir(), 'opspawn-copy-'));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
function newFile(): Place {
  const path = join(folder, `${++files}.db`);
  return {
    store: () => openSqliteStore({ path }),
    end: (role) => openSqliteEnd(path, role),
    async expireLeases() {
      using database = new DatabaseSync(path);
      database.exec('update workers set lease_until_ms = 0');
    },
  };
}

/** Copies, and closes what it opened. */
async function copy(from: Place, to: Place, movedTo?: string): Promise<ReadonlyMap<string, number>> {
  await using source = await from.end('source');
  await using target = await to.end('target');
  return await copyStore(source, target, movedTo === undefined ? {} : { movedTo });
}

async function filledPlace(place: Place): Promise<{ filled: Filled; seen: unknown[] }> {
  await using store = await place.store();
  const filled = await fill(store);
  await place.expireLeases();
  return { filled, seen: await look(store) };
}

async function movesEverything(from: Place, to: Place): Promise<void> {
  const { filled, seen } = await filledPlace(from);
  const counts = await copy(from, to);
  assert.ok((counts.get('tasks') ?? 0) > 10);
  await using store = await to.store();
  assert.deepEqual(await look(store), seen);
  await goOn(store, filled);
}

const isEmpty = async (place: Place): Promise<boolean> => {
  await using end = await place.end('target');
  return await end.isEmpty();
};

async function leavesNothingHalfDone(from: Place, to: Place): Promise<void> {
  await filledPlace(from);
  const losing = async (): Promise<void> => {
    await using source = await from.end('source');
    await using target = await to.end('target');
    const insert = target.insert.bind(target);
    target.insert = (table, columns, rows) =>
      insert(table, columns, table === 'journal' ? rows.slice(1) : rows);
    await copyStore(source, target, { movedTo: 'nowhere' });
  };
  await assert.rejects(losing(), { code: 'internal', message: /journal is not in the target/ });
  assert.ok(await isEmpty(to));
  await using store = await from.store();
  await submit(store);
}

async function closesTheSource(from: Place, to: Place): Promise<void> {
  await using open = await from.store();
  const waiting = await submitAndClaim(open);
  await suspend(open, waiting, [wait({ key: 'signal:go' })]);
  await open.removeWorker(waiting.workerId);
  const definition = { kind: 'function', name: 'noop', version: '1', queue: 'default', data: '{}' } as const;
  await open.registerDefinitions([{ ...definition, namespace }]);
  await open.checkWritable();
  await copy(from, to, 'postgres://there');
  const writes = {
    submit: () => submit(open),
    post: () => post(open, waiting.taskId, item('signal', { key: 'signal:go' })),
    registerWorker: () => newWorker(open),
    pauseQueue: () => open.changeQueue(namespace, 'mail', { pause: { by: 'ada' } }),
    setLimit: () => open.setLimit(namespace, { key: 'key', maxRunning: 0 }),
    setNamespaceSettings: () => open.setNamespaceSettings(namespace, '{}'),
    setProviderLimit: () => open.providers.setLimit({ provider: 'openai', requestsPerMinute: 5 }),
    appendSession: () => open.appendSession(namespace, 's', { runId: 'r', messages: '[]' }),
    removeDefinitions: () => open.removeDefinitions(namespace),
  };
  for (const [name, write] of Object.entries(writes))
    await assert.rejects(write(), { code: 'unavailable', message: /moved to another/ }, name);
  await assert.rejects(open.checkWritable(), { code: 'unavailable', message: /moved to another: start/ });
  await assert.rejects(from.store(), { code: 'config_invalid', message: /moved to postgres:\/\/there/ });
  await using store = await to.store();
  await post(store, waiting.taskId, item('signal', { key: 'signal:go' }));
  assert.deepEqual(await readyIds(store), [waiting.taskId]);
}

describe('copying from SQLite to SQLite', () => {
  it('moves all there is, and the tasks go on', () => movesEverything(newFile(), newFile()));
  it('leaves nothing half-done when the target loses a row', () =>
    leavesNothingHalfDone(newFile(), newFile()));
  it('has later writes of whoever has the source open refused', () => closesTheSource(newFile(), newFile()));

  it('is refused while a worker lives on the source, or when the target is not empty', async () => {
    const from = newFile();
    const to = newFile();
    {
      await using store = await from.store();
      const workerId = await newWorker(store);
      await assert.rejects(copy(from, to), {
        code: 'wrong_state',
        message: /^1 worker lives on the source: stop it/,
      });
      await store.removeWorker(workerId);
      await submit(store);
    }
    await copy(from, to);
    await assert.rejects(copy(from, to), { code: 'wrong_state', message: /not empty/ });
  });

  it('has no source of a file that is not there', async () => {
    const path = join(folder, 'nowhere.db');
    await assert.rejects(openSqliteEnd(path, 'source'), { code: 'not_found' });
    assert.equal(existsSync(path), false);
  });
});

describe('copying from and to PostgreSQL', { skip: skipWithoutPostgres }, () => {
  let databases: TestDatabase[];
  before(async () => {
    databases = await Promise.all([createTestDatabase(), createTestDatabase()]);
  });
  after(() => Promise.all(databases.map((database) => database[Symbol.asyncDispose]())));

  async function database(index: 0 | 1): Promise<Place> {
    const url = databases[index]?.url ?? '';
    await emptyDatabase(url);
    return {
      store: () => openPostgresStore({ url }),
      end: () => openPostgresEnd(url),
      async expireLeases() {
        const client = new pg.Client({ connectionString: url });
        await client.connect();
        await client.query('update opspawn.workers set lease_until_at = 0');
        await client.end();
      },
    };
  }

  it('moves all of a file to it, and the tasks go on', async () =>
    await movesEverything(newFile(), await database(0)));
  it('moves all of it to a file, and the tasks go on', async () =>
    await movesEverything(await database(0), newFile()));
  it('leaves nothing half-done when the target loses a row', async () =>
    await leavesNothingHalfDone(newFile(), await database(0)));
  it('has later writes of whoever has it open refused', async () =>
    await closesTheSource(await database(1), newFile()));
});
