import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { GCProfiler, type GCProfilerResult } from 'node:v8';
import { type OpspawnOptions, openOpspawn } from '../../../test/opspawn.ts';
import {
  createTestDatabase,
  skipWithoutPostgres,
  type TestDatabase,
} from '../../../test/postgres/test-database.ts';
import { localPrincipal } from '../../auth/principal.ts';
import { defineFunction } from '../definitions/definition.ts';

const callers = 50;

/** Bytes that cheap collections have moved among the old objects, which only a full collection frees. */
async function promotedBy(work: () => Promise<void>): Promise<number> {
  const profiler = new GCProfiler();
  profiler.start();
  await work();
  let bytes = 0;
  for (const { gcType, beforeGC, afterGC } of profiler.stop().statistics)
    if (gcType === 'Scavenge') bytes += oldBytes(afterGC) - oldBytes(beforeGC);
  return bytes;
}

const oldBytes = ({ heapSpaceStatistics }: GCProfilerResult['statistics'][number]['afterGC']): number =>
  heapSpaceStatistics.find(({ spaceName }) => spaceName === 'old_space')?.spaceUsedSize ?? 0;

function leavesNothing(place: string, options: () => OpspawnOptions): void {
  for (const [what, steps, count, most] of [
    ['without steps', 0, 6_000, 500],
    ['with two steps', 2, 1_500, 2_000],
  ] as const) {
    it(`of a task ${what}, on ${place}`, async (t) => {
      let left = 0;
      let onDone = (): void => {};
      const task = defineFunction({
        name: 'task',
        async run(ctx) {
          for (let step = 0; step < steps; step += 1) await ctx.step('step', () => step);
          left -= 1;
          if (left === 0) onDone();
        },
      });
      const { engine } = await openOpspawn(t, { functions: [task] }, options());
      const runTasks = async (tasks: number): Promise<void> => {
        const { promise, resolve } = Promise.withResolvers<void>();
        onDone = resolve;
        left = tasks;
        let unsubmitted = tasks;
        const caller = async (): Promise<void> => {
          while (unsubmitted-- > 0)
            await engine.submit(localPrincipal, { name: 'task', input: 'x'.repeat(200) });
        };
        await Promise.all([promise, ...Array.from({ length: callers }, caller)]);
      };
      await runTasks(count / 3);
      const bytes = (await promotedBy(() => runTasks(count))) / count;
      t.diagnostic(`${bytes.toFixed(0)} bytes per task`);
      assert.ok(bytes < most, `${bytes.toFixed(0)} bytes per task`);
    });
  }
}

describe('leaves nothing to the full collections', () => {
  leavesNothing('SQLite', () => ({}));
});

describe('leaves nothing to the full collections on PostgreSQL', { skip: skipWithoutPostgres }, () => {
  let database: TestDatabase;
  before(async () => {
    database = await createTestDatabase();
  });
  after(() => database[Symbol.asyncDispose]());
  leavesNothing('PostgreSQL', () => ({ settings: { database: { kind: 'postgres', url: database.url } } }));
});
