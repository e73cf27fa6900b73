import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DatabasePool } from './database.ts';
import { type MutationName, mutations } from './mutations.ts';
import { simulate } from './simulate.ts';

const scale = Number(process.env.OPSPAWN_TEST_SCALE ?? 1);
/** CI goes on behind them. */
const seeds = Math.round(100 * scale);
const pool = new DatabasePool();
after(() => pool[Symbol.dispose]());

const replay = (seed: number) => `npm run simulate -- --seed ${seed}`;

describe('a deployment in virtual time', () => {
  it(`keeps its promises under ${seeds} random courses of faults`, async () => {
    for (let seed = 1; seed <= seeds; seed += 1) {
      const { problems } = await simulate(seed, pool);
      assert.deepEqual(problems, [], replay(seed));
    }
  });

  it('goes the same way again, line by line, when it has the same seed', async () => {
    for (const seed of [2, 5]) {
      const { trace } = await simulate(seed, pool);
      assert.ok(trace.length > 30, 'something happens');
      assert.deepEqual((await simulate(seed, pool)).trace, trace);
      const { stdout } = runNode('../../scripts/simulate.ts', ['--seed', `${seed}`]);
      assert.deepEqual(stdout.split('\n').slice(0, trace.length), trace, 'also in another process');
    }
    assert.notDeepEqual((await simulate(3, pool)).trace, (await simulate(4, pool)).trace);
  });
});

describe('a scheduler without a guard is found out', () => {
  for (const name of ['fencing', 'doubt', 'answers'] satisfies MutationName[]) {
    it(`when it does not see to it that ${mutations[name].breaks}`, (t) => {
      const { stdout, stderr } = runNode('./broken-scheduler.ts', [name, '200']);
      t.diagnostic(stdout.trim());
      assert.match(stdout, /^seed \d+: /, stderr);
    });
  }
});

function runNode(script: string, args: readonly string[]) {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const path = fileURLToPath(new URL(script, import.meta.url));
  return spawnSync(process.execPath, [path, ...args], { encoding: 'utf8', env, maxBuffer: 2 ** 26 });
}
