import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { faults } from '../../packages/cli/src/verify/faults.ts';
import { runFault } from '../../packages/cli/src/verify/run-fault.ts';
import { isClean } from '../../packages/cli/src/verify/verdict.ts';
import { openNode } from '../../packages/ops-core/src/index.ts';
import { temporaryFolder, testSettings } from '../../packages/ops-core/test/opspawn.ts';
import {
  createTestDatabase,
  skipWithoutPostgres,
} from '../../packages/ops-core/test/postgres/test-database.ts';

/** Of the whole suite. */
const scale = 0.004 * Number(process.env.OPSPAWN_TEST_SCALE ?? 1);

async function runClean(t: TestContext, name: string, settings: ReturnType<typeof testSettings>) {
  const fault = faults.find((each) => each.name === name);
  assert.ok(fault !== undefined);
  const { random } = Math;
  const report = await runFault(fault, { deployment: { settings }, scale, random, signal: t.signal });
  assert.ok(isClean(report), JSON.stringify(report, undefined, 2));
  await leavesNothing(settings);
  t.diagnostic(JSON.stringify(report));
}

/** Not even what its workers registered: the database may be one that is in use. */
async function leavesNothing(settings: ReturnType<typeof testSettings>): Promise<void> {
  await using node = await openNode({ settings });
  assert.deepEqual(await node.store.namespaces(), []);
}

it('npm run verify -- --help says how it is called, and starts nothing', () => {
  const script = fileURLToPath(new URL('../../scripts/verify.ts', import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [script, '--help'], { encoding: 'utf8' });
  assert.equal(stdout, 'Usage: npm run verify -- [--scale 0.1] [--only FAULT …] [--seed N]\n');
  assert.equal(status, 0);
});

describe('a fault that is stopped in the middle', { skip: skipWithoutPostgres }, () => {
  it('cancels what it submitted and leaves nothing behind', async (t) => {
    await using database = await createTestDatabase();
    const settings = testSettings(temporaryFolder(t), { database: { kind: 'postgres', url: database.url } });
    const kill = faults.find(({ name }) => name === 'kill') ?? assert.fail();
    const stopping = new AbortController();
    // Twice, so that it goes on after the first whatever has ended by then.
    const fault = { ...kill, strikes: 4 / scale, strike: async () => stopping.abort() };
    const { random } = Math;
    const running = runFault(fault, { deployment: { settings }, scale, random, signal: stopping.signal });
    await assert.rejects(running, { name: 'AbortError' });
    await leavesNothing(settings);
  });
});

// A fault waits for leases most of its time.
describe('a fleet on PostgreSQL loses nothing and repeats nothing', {
  skip: skipWithoutPostgres,
  concurrency: 2,
}, () => {
  for (const name of ['kill', 'stop', 'restart', 'store-5', 'network', 'clock']) {
    it(`under ${name}`, async (t) => {
      await using database = await createTestDatabase();
      const settings = { database: { kind: 'postgres', url: database.url } } as const;
      await runClean(t, name, testSettings(temporaryFolder(t), settings));
    });
  }
});

describe('workers on SQLite lose nothing and repeat nothing', () => {
  for (const name of ['kill', 'store-5']) {
    it(`under ${name}`, async (t) => {
      const folder = temporaryFolder(t);
      const path = `${folder}/opspawn.db`;
      await runClean(t, name, testSettings(folder, { database: { kind: 'sqlite', path } }));
    });
  }
});
