import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { OpspawnError, type ProviderCall } from '@opspawn/agentkit';
import { type CountingVendor, startCountingVendor } from '../../test/agents/counting-vendor.ts';
import { temporaryFolder, testSettings, untilFinished } from '../../test/opspawn.ts';
import { createTestDatabase, skipWithoutPostgres } from '../../test/postgres/test-database.ts';
import { localPrincipal } from '../auth/principal.ts';
import { readSettings } from '../config.ts';
import { startServer } from '../start/start.ts';
import { openSqliteStore } from '../storage/sqlite/database/open-store.ts';
import type { Engine } from '../tasks/engine-interface.ts';
import { StoreProviderBudget, type StoreProviderBudgetOptions } from './store-provider-budget.ts';

const script = fileURLToPath(new URL('../../test/agents/budget-worker.ts', import.meta.url));
const requestsPerMinute = 8;
const taskCount = 18;

async function startWorkerProcess(
  t: TestContext,
  folder: string,
  variables: Record<string, string>,
): Promise<ChildProcess> {
  const child = spawn(process.execPath, [script, folder, String(requestsPerMinute)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, ...variables },
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout as NodeJS.EventEmitter, 'data');
  return child;
}

async function until<Value>(found: () => Promise<Value | undefined> | Value | undefined): Promise<Value> {
  for (;;) {
    const value = await found();
    if (value !== undefined && value !== false) return value;
    await sleep(50);
  }
}

/** Three workers, of which one is killed while its calls are on the way. */
async function shareAndLose(
  t: TestContext,
  engine: Engine,
  vendor: CountingVendor,
  start: () => Promise<ChildProcess>,
) {
  const workers = await Promise.all([start(), start(), start()]);
  const ids = await Promise.all(
    Array.from({ length: taskCount }, async () => {
      const { task } = await engine.submit(localPrincipal, { name: 'caller', input: 'go' });
      return task.id;
    }),
  );
  await until(() => vendor.calls.length > 0);
  workers[0]?.kill('SIGKILL');
  await until(async () => {
    const [provider] = await engine.providers.list(localPrincipal);
    return (provider?.keys[0]?.waiting ?? 0) > 0;
  });
  await sleep(1_500);
  assert.ok(vendor.calls.length <= requestsPerMinute, `${vendor.calls.length} calls in the first minute`);
  const held = await until(async () => {
    const whys = await Promise.all(ids.map((id) => engine.why(localPrincipal, id)));
    return whys.flatMap(({ reasons }) => reasons).find(({ code }) => code === 'budget');
  });
  assert.match(
    held.message,
    /waits for the budget of compatible \(key compatible:[0-9a-f]{16}\), (as the first in line|behind \d+ others?);/,
  );
  assert.ok(vendor.calls.length <= requestsPerMinute);
  // An operator lets more through: everybody goes on, those of the dead worker too.
  await engine.providers.set(localPrincipal, 'compatible', { requestsPerMinute: 1_000 });
  for (const id of ids) {
    const { task } = await untilFinished(t, engine, id);
    assert.equal(task.output, 'ok', JSON.stringify(task.error));
  }
  // What was on its way, or not committed, when its worker died is asked for again; on a busy machine others lose leases too.
  const lostCalls = vendor.calls.length - taskCount;
  assert.ok(lostCalls >= 0 && lostCalls <= taskCount, `${lostCalls} calls more than tasks`);
}

describe('the budget of a provider', { skip: skipWithoutPostgres }, () => {
  it('is kept by three workers together, of which one is killed', { timeout: 300_000 }, async (t) => {
    await using database = await createTestDatabase();
    const folder = temporaryFolder(t);
    const vendor = await startCountingVendor(t);
    const { database: setting } = readSettings({ OPSPAWN_DATABASE_URL: database.url });
    await using server = await startServer({ settings: testSettings(folder, { database: setting }) });
    const variables = { AGENTKIT_LLM_BASE_URL: vendor.url, OPSPAWN_DATABASE_URL: database.url };
    await shareAndLose(t, server.engine, vendor, () => startWorkerProcess(t, folder, variables));
  });
});

describe('the budget of a provider in one process', () => {
  const open = async (t: TestContext, options: Partial<StoreProviderBudgetOptions> = {}) => {
    let now = Date.now();
    const store = await openSqliteStore({ path: ':memory:', now: () => now });
    let reports = 0;
    let reads = 0;
    const counted: StoreProviderBudgetOptions['store'] = {
      ...store.providers,
      report: (report) => {
        reports += 1;
        return store.providers.report(report);
      },
      limits: () => {
        reads += 1;
        return store.providers.limits();
      },
    };
    const budget = new StoreProviderBudget({
      store: counted,
      currentTaskId: () => undefined,
      onError: (error) => assert.fail(String(error)),
      ...options,
    });
    t.after(async () => {
      await budget[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    });
    const ask = (call: Partial<ProviderCall> = {}) =>
      budget.admit({
        key: 'openai:1',
        model: 'openai/a',
        tokens: 10,
        signal: new AbortController().signal,
        ...call,
      });
    return { store, budget, ask, counts: () => ({ reports, reads }), advance: (ms: number) => (now += ms) };
  };

  it('costs nothing where nobody bounds the provider', async (t) => {
    const { ask, counts } = await open(t, { bounds: { other: { requestsPerMinute: 1 } } });
    for (let call = 0; call < 50; call += 1) (await ask()).settle({ tokens: 1 });
    assert.deepEqual(counts(), { reports: 0, reads: 1 });
  });

  it('costs one round trip before a call, which many calls at once share, and none that is waited for after it', async (t) => {
    const { ask, counts, budget, store } = await open(t, {
      bounds: { openai: { requestsPerMinute: 1_000 } },
    });
    const permits = await Promise.all(Array.from({ length: 100 }, () => ask()));
    assert.deepEqual(counts(), { reports: 1, reads: 1 });
    for (const permit of permits) {
      permit.accepted({});
      permit.settle({ tokens: 3 });
    }
    await ask();
    assert.equal(counts().reports, 2, 'what was over went along');
    await budget[Symbol.asyncDispose]();
    const [key] = await store.providers.keys();
    assert.deepEqual([key?.requests, key?.tokens], [101, 310]);
  });

  it('heeds what an operator said while it rested, from the first call on', async (t) => {
    let now = performance.now();
    t.mock.method(performance, 'now', () => now);
    const { ask, store } = await open(t, {});
    (await ask()).settle({ tokens: 1 });
    await store.providers.setLimit({ provider: 'openai', requestsPerMinute: 2 });
    now += 3_600_000;
    const tries = Array.from({ length: 5 }, () => ask({ maxWaitMs: 1_000 }));
    const refused = (await Promise.allSettled(tries)).filter(({ status }) => status === 'rejected');
    assert.equal(refused.length, 3);
  });

  it('says how long it would be to who would not wait so long, and lets who waits be stopped', async (t) => {
    const { ask, budget, store } = await open(t, { bounds: { openai: { requestsPerMinute: 1 } } });
    await ask();
    await assert.rejects(ask({ maxWaitMs: 1_000 }), { code: 'rate_limited', retryAfterMs: 75_000 });
    const stop = new AbortController();
    const waiting = ask({ signal: stop.signal });
    await until(async () => (await store.providers.keys())[0]?.waiting === 1);
    stop.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
    await budget[Symbol.asyncDispose]();
    assert.equal((await store.providers.keys())[0]?.waiting, 0);
  });

  it('waits out a store that is away, and says nothing twice', async (t) => {
    const errors: unknown[] = [];
    let isAway = true;
    const { ask, store } = await open(t, {
      bounds: { openai: { requestsPerMinute: 5 } },
      onError: (error) => errors.push(error),
    });
    const { report } = store.providers;
    const away = new OpspawnError('unavailable', 'away');
    const budget = new StoreProviderBudget({
      store: { ...store.providers, report: (said) => (isAway ? Promise.reject(away) : report(said)) },
      bounds: { openai: { requestsPerMinute: 5 } },
      currentTaskId: () => undefined,
      onError: (error) => errors.push(error),
    });
    const { signal } = new AbortController();
    const waiting = budget.admit({ key: 'openai:1', model: 'openai/a', tokens: 1, signal });
    await until(() => errors.length > 0);
    isAway = false;
    (await waiting).settle({ tokens: 1 });
    await budget[Symbol.asyncDispose]();
    (await ask()).settle({ tokens: 1 });
    assert.deepEqual([...new Set(errors)], [away]);
    assert.equal((await store.providers.keys())[0]?.requests, 2);
  });

  it('goes on for who waits as soon as another call turns out smaller', async (t) => {
    const { ask } = await open(t, { bounds: { openai: { tokensPerMinute: 100 } } });
    const first = await ask({ tokens: 90 });
    const second = ask({ tokens: 60 });
    await sleep(50);
    first.accepted({});
    first.settle({ tokens: 1 });
    (await second).settle({ tokens: 1 });
  });
});
