import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import fc from 'fast-check';
import pg from 'pg';
import {
  createTestDatabase,
  emptyDatabase,
  skipWithoutPostgres,
  type TestDatabase,
} from '../../test/postgres/test-database.ts';
import { randomRuns } from '../../test/random-runs.ts';
import { newId } from '../domain/new-id.ts';
import { RandomWalk, type WalkClock } from './contract/random-walk.ts';
import { attemptTimeoutMs, leaseTtlMs, namespace, newTask, queue } from './contract/scenario.ts';
import { interceptStore, type StoreMethod } from './faults/intercept.ts';
import { openPostgresStore } from './postgres/database/open-store.ts';
import { openSqliteStore } from './sqlite/database/open-store.ts';
import type { InboxRow, Store } from './store.ts';

const runs = randomRuns(12, 5);

/** One store for two: both are asked the same, and have to answer the same. */
function twinOf(store: Store, other: Store): Store {
  /** Of items that an engine makes itself: their ids in the other one. */
  const otherIds = new Map<string, string>();
  const ask = (method: StoreMethod, args: readonly unknown[]): Promise<unknown> => {
    const call = other[method] as (...given: unknown[]) => Promise<unknown>;
    return call.apply(
      other,
      args.map((value) => withOtherIds(value, otherIds)),
    );
  };
  return interceptStore(store, async (method, args, call) => {
    const answer = await call();
    const otherAnswer = await ask(method, args);
    if (method === 'inbox') {
      const rows = otherAnswer as InboxRow[];
      for (const [index, { id }] of (answer as InboxRow[]).entries())
        otherIds.set(id, rows[index]?.id ?? assert.fail('an item is missing'));
      assert.deepEqual(rows.map(contentOf), (answer as InboxRow[]).map(contentOf));
      // PostgreSQL ends overdue tasks after it has looked for the next due time, which may be theirs.
    } else if (method !== 'promoteDue')
      assert.deepEqual(otherAnswer, answer, `${method}(${JSON.stringify(args)})`);
    return answer;
  });
}

const contentOf = ({ id: _, data = 'null', ...row }: InboxRow) => ({ ...row, data: JSON.parse(data) });

function withOtherIds(value: unknown, otherIds: ReadonlyMap<string, string>): unknown {
  if (typeof value !== 'object' || value === null || !('takes' in value)) return value;
  const { takes = [] } = value as { takes?: readonly string[] };
  return { ...value, takes: takes.map((id) => otherIds.get(id) ?? id) };
}

const steps = fc.array(fc.tuple(fc.nat(17), fc.nat(1000)), { minLength: 10, maxLength: 80 });

/** What clients and operators do beside what is in the walk. */
async function operate(store: Store, what: number, pick: number): Promise<void> {
  const key = ['one', 'two', 'paced'][pick % 3] ?? '';
  if (what === 12) {
    const reason = pick % 2 === 0 ? { by: 'me', reason: 'why' } : null;
    await store.changeQueue(namespace, queue, { pause: reason, weight: 1 + (pick % 3) });
  } else if (what === 13) await store.setLimit(namespace, { key, maxRunning: pick % 4 });
  else if (what === 14) await store.removeLimit(namespace, key);
  else if (what === 15) {
    const again = {
      name: `keyed ${pick % 2}`,
      idempotencyKey: `key ${pick % 3}`,
      requestDigest: `${pick % 2}`,
    };
    await store.write({ op: 'submit', task: newTask({ ...again, priority: pick % 5 }) });
  } else if (what === 16)
    await store.submitMany([
      newTask({ timeoutMs: 100 * (1 + (pick % 5)), priority: pick % 7 }),
      newTask({ dueAt: 1 }),
    ]);
  else await look(store);
}

async function look(store: Store): Promise<void> {
  for (const { id } of await store.tasks({ namespace }, { limit: 100 })) {
    await store.standing(namespace, id);
    await store.journal(id, 0, 100);
  }
  await store.limits(namespace);
  await store.queues(namespace);
}

/** All that an operator holds back goes on. */
async function letGo(store: Store): Promise<void> {
  await store.changeQueue(namespace, queue, { pause: null, weight: 1 });
  for (const key of ['one', 'two', 'paced']) await store.removeLimit(namespace, key);
}

/** Of both stores. PostgreSQL's is a function in its database. */
async function setClock(client: pg.Client, at: number): Promise<void> {
  await client.query(
    `create or replace function opspawn.now_ms() returns bigint language sql volatile parallel safe as 'select ${at}::bigint'`,
  );
}

interface Twins extends AsyncDisposable {
  readonly store: Store;
  readonly clock: WalkClock;
}

/** Empty ones, whose time is the same. */
async function openTwins(url: string, client: pg.Client): Promise<Twins> {
  let at = Date.now();
  const now = () => at;
  await emptyDatabase(client);
  await setClock(client, at);
  const sqlite = await openSqliteStore({ path: ':memory:', now, leaseClock: { now, bootId: 'test' } });
  const postgres = await openPostgresStore({ url });
  return {
    store: twinOf(sqlite, postgres),
    clock: {
      get at() {
        return at;
      },
      async advance(ms) {
        at += ms;
        await setClock(client, at);
      },
    },
    async [Symbol.asyncDispose]() {
      await postgres[Symbol.asyncDispose]();
      await sqlite[Symbol.asyncDispose]();
    },
  };
}

const share = fc.record({ lag: fc.nat(5), step: fc.integer({ min: 1, max: 4 }) });
const namespaces = ['x', 'y', 'z'];
const queues = ['a', 'b'];
const crowds = fc.record({
  tasks: fc.array(
    fc.record({
      namespace: fc.constantFrom(...namespaces),
      queue: fc.constantFrom(...queues),
      priority: fc.nat(2),
    }),
    { minLength: 1, maxLength: 60 },
  ),
  paused: fc.array(fc.constantFrom(...namespaces), { maxLength: 1 }),
  claims: fc.array(
    fc.record({
      limit: fc.nat(12),
      shares: fc.record({
        step: fc.integer({ min: 1, max: 3 }),
        namespaces: fc.dictionary(
          fc.constantFrom(...namespaces),
          fc
            .tuple(share, fc.dictionary(fc.constantFrom(...queues), share))
            .map(([own, its]) => ({ ...own, queues: its })),
        ),
      }),
    }),
    { minLength: 1, maxLength: 6 },
  ),
});

describe('both engines', { skip: skipWithoutPostgres }, () => {
  let database: TestDatabase;
  let client: pg.Client;
  before(async () => {
    // Otherwise a clock that stands still for a second counts as set back, and PostgreSQL's time goes on without it.
    mock.method(performance, 'now', () => 0);
    database = await createTestDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
  });
  after(async () => {
    mock.restoreAll();
    await client.end();
    await database[Symbol.asyncDispose]();
  });

  it(`answer the same in ${runs.numRuns} random histories`, async () => {
    const history = fc.asyncProperty(steps, async (happened) => {
      await using twins = await openTwins(database.url, client);
      const { store, clock } = twins;
      const walk = new RandomWalk(store, clock);
      for (const [what, pick] of happened) {
        if (what < 12) await walk.step(what, pick);
        else await operate(store, what, pick);
      }
      await letGo(store);
      assert.equal(await walk.settle(), 0, 'every task ends');
    });
    await fc.assert(history, runs);
  });

  it(`share what is claimed in the same way between ${runs.numRuns} random crowds`, async () => {
    const claiming = fc.asyncProperty(crowds, async ({ tasks, paused, claims }) => {
      await using twins = await openTwins(database.url, client);
      const { store } = twins;
      await store.submitMany(tasks.map(newTask));
      for (const name of paused) await store.changeQueue(name, 'a', { pause: { by: 'me' } });
      const workerId = newId();
      const worker = {
        id: workerId,
        host: 'host',
        pid: process.pid,
        processStart: '',
        queues,
        definitions: [],
      };
      await store.registerWorker(worker, leaseTtlMs);
      for (const request of claims) await store.claim({ ...request, workerId, queues, attemptTimeoutMs });
    });
    await fc.assert(claiming, runs);
  });
});
