import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memorySteps, type OpspawnError } from '@opspawn/agentkit';
import { ambientTaskId } from './ambient.ts';
import { type Context, createContext } from './context.ts';
import { DrawnNumbers } from './drawn-numbers.ts';
import { attempt, type Body, quietTask, resultOf } from './simulation/attempt.ts';
import { turns } from './simulation/random.ts';

const kinds: Record<string, (body: Body) => Promise<unknown>> = {
  'over a journal': (body) => resultOf(attempt(quietTask(), body)),
  'over steps in memory': async (body) => {
    const steps = memorySteps();
    return await body(createContext(steps), steps);
  },
};

for (const [where, run] of Object.entries(kinds)) {
  describe(`a context ${where}`, () => {
    it('gives the results of all branches in their order', async () => {
      const slowFirst = (ctx: Context) =>
        ctx.all([
          () => ctx.step('a', () => turns(5).then(() => 'a')),
          () => ctx.step('a', () => 'b'),
          () => 'c',
        ]);
      assert.deepEqual(await run(slowFirst), ['a', 'b', 'c']);
      assert.deepEqual(await run((ctx) => ctx.all([])), []);
    });

    it('gives the result of the branch that is first', async () => {
      const winner = await run((ctx) =>
        ctx.race([
          () => ctx.step('slow', () => turns(20).then(() => 'slow')),
          () => ctx.step('quick', () => 'quick'),
        ]),
      );
      assert.equal(winner, 'quick');
    });

    it('maps items in order, as many at once as it may', async () => {
      let running = 0;
      let most = 0;
      const items = await run((ctx) =>
        ctx.map(
          [1, 2, 3, 4, 5],
          (item) =>
            ctx.step('double', async () => {
              running += 1;
              most = Math.max(most, running);
              await turns(3);
              running -= 1;
              return 2 * item;
            }),
          { concurrency: 2 },
        ),
      );
      assert.deepEqual([items, most], [[2, 4, 6, 8, 10], 2]);
    });

    it('rejects with the first failure and starts no more items', async () => {
      const started: number[] = [];
      const failing = run(async (ctx) => {
        const step = (item: number) =>
          ctx.step(
            'item',
            () => {
              started.push(item);
              throw new Error(`item ${item}`);
            },
            { retry: { maxAttempts: 1 } },
          );
        return await ctx
          .map([1, 2, 3], step, { concurrency: 1 })
          .catch((error: OpspawnError) => error.message);
      });
      assert.deepEqual([await failing, started], ['item 1', [1]]);
    });
  });
}

it('the code of a function and of its steps knows its task', async () => {
  const body: Body = async (ctx) => [ambientTaskId(), await ctx.step('a', () => ambientTaskId()), ctx.taskId];
  assert.deepEqual(await resultOf(attempt(quietTask(), body)), ['task', 'task', 'task']);
  assert.equal(ambientTaskId(), undefined);
});

it('a function that asks for nothing writes nothing', async () => {
  const task = quietTask();
  const { activity } = task;
  assert.equal(await resultOf(attempt(task, () => 1)), 1);
  assert.equal(await resultOf(attempt(task, async () => 2)), 2);
  assert.equal(task.activity, activity);
});

it('a step has the type of its result after a JSON round trip', async () => {
  const body = async (ctx: Context) => {
    const text: string = await ctx.step('a', () => 'text');
    const nothing: undefined = await ctx.step('b', () => {});
    const nested: { n: number; list: (string | null)[] } = await ctx.step('c', async () => ({
      n: 1,
      list: ['x', null],
    }));
    // @ts-expect-error a date would be a string on replay
    const date: Date = await ctx.step('d', () => new Date()).catch(() => 'refused');
    return [text, nothing ?? null, nested, date];
  };
  assert.deepEqual(await resultOf(attempt(quietTask(), body)), [
    'text',
    null,
    { n: 1, list: ['x', null] },
    'refused',
  ]);
});

describe('drawn numbers', () => {
  it('lie in [0, 1), are spread evenly, and are those of their seed', () => {
    const numbers = new DrawnNumbers('seed');
    const again = new DrawnNumbers('seed');
    const buckets = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i += 1) {
      const value = numbers.random();
      assert.equal(again.random(), value);
      const bucket = Math.floor(value * 10);
      buckets[bucket] = (buckets[bucket] ?? Number.NaN) + 1;
    }
    assert.ok(
      buckets.every((count) => count > 850 && count < 1_150),
      String(buckets),
    );
  });

  it('make UUIDs that are shaped like version 4 and differ', () => {
    const numbers = new DrawnNumbers('seed');
    const drawn = Array.from({ length: 1_000 }, () => numbers.uuid());
    assert.equal(new Set(drawn).size, 1_000);
    for (const uuid of drawn)
      assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});
