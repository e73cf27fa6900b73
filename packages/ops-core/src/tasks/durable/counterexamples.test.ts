/** Programs that broke weaker rules than these, and what becomes of them here. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { OpspawnError } from '@opspawn/agentkit';
import type { Context } from './context.ts';
import {
  attempt,
  type Body,
  close,
  dataOf,
  delay,
  entriesOf,
  quietTask,
  resultOf,
} from './simulation/attempt.ts';
import { turns } from './simulation/random.ts';

describe('programs that broke weaker rules', () => {
  it('1: a plain delay between two steps is within the grace', async () => {
    const task = quietTask();
    const body: Body = async (ctx) => {
      const a = await ctx.step('a', () => 1);
      await delay(10);
      return a + (await ctx.step('b', () => 2));
    };
    assert.equal(await resultOf(attempt(task, body)), 3);
    assert.equal(await resultOf(attempt(task, body)), 3);
  });

  describe('2: branches of one name that I/O puts into order', () => {
    const loadAll = (ioTurns: readonly [number, number], map: 'plain' | 'ctx'): Body => {
      const load = (ctx: Context) => async (item: string, i: number) => {
        await turns(ioTurns[i] ?? 0);
        return `${item}: ${await ctx.step('load', () => item)}`;
      };
      return (ctx) =>
        map === 'plain' ? Promise.all(['A', 'B'].map(load(ctx))) : ctx.map(['A', 'B'], load(ctx));
    };

    it('with Promise.all the author is warned', async () => {
      const task = quietTask();
      assert.deepEqual(await resultOf(attempt(task, loadAll([5, 15], 'plain'))), ['A: A', 'B: B']);
      assert.deepEqual(dataOf(task, 'log').fields, { code: 'io_outside_step' });
      assert.deepEqual(await resultOf(attempt(task, loadAll([15, 5], 'plain'))), ['A: B', 'B: A']);
    });

    it('a crash-test fails it', async () => {
      const outcome = await attempt(quietTask(), loadAll([5, 15], 'plain'), { outOfTurn: 'fail' });
      assert.ok(outcome.kind === 'failed' && outcome.error.code === 'io_outside_step' && !outcome.retryable);
    });

    it('with ctx.map each branch has names of its own', async () => {
      const task = quietTask();
      assert.deepEqual(await resultOf(attempt(task, loadAll([5, 15], 'ctx'))), ['A: A', 'B: B']);
      assert.deepEqual(await resultOf(attempt(task, loadAll([15, 5], 'ctx'))), ['A: A', 'B: B']);
    });
  });

  describe('3: a waiter that lost the race to a step', () => {
    const twice = (first: (ctx: Context) => Promise<unknown>): Body => {
      return async (ctx) => {
        await first(ctx);
        await ctx.step('work', () => turns(20));
        return await ctx.signal('go');
      };
    };
    const goAfterwards = async (body: Body): Promise<unknown> => {
      const task = quietTask();
      const running = attempt(task, body);
      await turns(12);
      task.post('signal', 'signal:go', 'X');
      const outcome = await running;
      return outcome.kind === 'completed' ? outcome.value : outcome.kind;
    };

    it('is still there after Promise.race, and takes the signal', async () => {
      const race = (ctx: Context) => Promise.race([ctx.signal('go'), ctx.step('quick', () => 1)]);
      assert.equal(await goAfterwards(twice(race)), 'suspended');
    });

    it('is withdrawn by ctx.race', async () => {
      const race = (ctx: Context) => ctx.race([() => ctx.signal('go'), () => ctx.step('quick', () => 1)]);
      assert.equal(await goAfterwards(twice(race)), '"X"');
    });

    it('is withdrawn by its time-out', async () => {
      const task = quietTask();
      const body: Body = async (ctx) => {
        const first = await ctx.signal('go', { timeoutMs: 10 }).catch((error: OpspawnError) => error.code);
        return [first, await ctx.signal('go')];
      };
      await attempt(task, body);
      task.clock += 20;
      await attempt(task, body);
      task.post('signal', 'signal:go', 'X');
      assert.deepEqual(await resultOf(attempt(task, body)), ['timeout', 'X']);
    });
  });

  it('4: a failure that nobody awaits yet is laid to its task and ends neither it nor the process', () => {
    const script = fileURLToPath(new URL('./simulation/unawaited-failure.ts', import.meta.url));
    const { stdout, status } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
    assert.deepEqual(JSON.parse(stdout), { rejections: ['boom of task'], outcome: 'suspended' });
    assert.equal(status, 0);
  });

  it('5: what was done in the failed run and is not asked for again is superseded', async () => {
    const task = quietTask();
    let isMended = false;
    const body: Body = async (ctx) => {
      try {
        await ctx.step('a', () => (isMended ? 'A' : Promise.reject(new Error('bad'))), {
          retry: { maxAttempts: 1 },
        });
      } catch (error) {
        await ctx.step('undo', () => 'undone');
        throw error;
      }
      return await ctx.step('b', () => 'B');
    };
    close(task, await attempt(task, body));
    assert.deepEqual(entriesOf(task), ['step.failed a', 'step.completed undo', 'task.failed']);
    isMended = true;
    task.post('reopen', '');
    assert.equal(await resultOf(attempt(task, body, { graceMs: 10 })), 'B');
    const later = ['step.reopened a', 'step.superseded undo', 'step.completed a', 'step.completed b'];
    assert.deepEqual(entriesOf(task).slice(3), later);
    assert.equal(await resultOf(attempt(task, body)), 'B');
    assert.equal(task.journal.length, 7);
  });

  it('6: a step may give nothing, but not what JSON would change', async () => {
    const given = {
      nothing: undefined,
      date: new Date(0),
      nan: Number.NaN,
      map: new Map(),
      big: 1n,
      nested: { a: [1n] },
    };
    const task = quietTask();
    const body: Body = async (ctx) => {
      const results: Record<string, string> = {};
      for (const [name, value] of Object.entries(given)) {
        const step = ctx.step(name, (): unknown => value).then(String);
        results[name] = await step.catch((error: OpspawnError) => error.code);
      }
      return results;
    };
    const refused = {
      date: 'not_json',
      nan: 'not_json',
      map: 'not_json',
      big: 'not_json',
      nested: 'not_json',
    };
    assert.deepEqual(await resultOf(attempt(task, body)), { nothing: 'undefined', ...refused });
    assert.equal(task.journal[0]?.data?.includes('value'), false);
    const outcome = await attempt(quietTask(), () => new Date());
    assert.ok(outcome.kind === 'failed' && outcome.error.code === 'not_json');
  });

  it('6: the first run gets the decoded value, as every replay does', async () => {
    const body: Body = async (ctx) => {
      const given = { a: undefined, b: 1 };
      const got = await ctx.step('a', () => given);
      return [got === given, 'a' in got];
    };
    assert.deepEqual(await resultOf(attempt(quietTask(), body)), [false, false]);
  });

  it('7: a branch that is in plain I/O when all others wait is put off until one of them goes on', async () => {
    const task = quietTask();
    const body: Body = (ctx) =>
      ctx.all([() => ctx.signal('go'), () => turns(40).then(() => ctx.step('b', () => 'b'))]);
    assert.equal((await attempt(task, body)).kind, 'suspended');
    await turns(60);
    assert.deepEqual(entriesOf(task), ['wait.opened all1.0/signal:go']);
    task.post('signal', 'signal:go', 'X');
    assert.deepEqual(await resultOf(attempt(task, body)), ['X', 'b']);
  });

  it('8: a function that is dropped runs no finally; what it started outside goes on', async () => {
    const timers: NodeJS.Timeout[] = [];
    let beats = 0;
    let cleanUps = 0;
    const body: Body = async (ctx) => {
      const timer = setInterval(() => {
        beats += 1;
      }, 1);
      timers.push(timer);
      try {
        await ctx.signal('go');
      } finally {
        cleanUps += 1;
        clearInterval(timer);
      }
    };
    assert.equal((await attempt(quietTask(), body)).kind, 'suspended');
    beats = 0;
    await delay(20);
    for (const timer of timers) clearInterval(timer);
    assert.ok(beats > 0);
    assert.equal(cleanUps, 0);
  });

  it('9: a name that looks like the path of a branch is another call', async () => {
    const task = quietTask();
    const body: Body = (ctx) =>
      Promise.all([
        ctx.step('map1.0/load', () => 'root'),
        ctx.map(['x'], () => ctx.step('load', () => 'branch')),
        ctx.step('load', () => 'also root'),
        ctx.step('load#2', () => 'named so'),
        ctx.step('load', () => 'second'),
      ]);
    const all = ['root', ['branch'], 'also root', 'named so', 'second'];
    assert.deepEqual(await resultOf(attempt(task, body)), all);
    assert.deepEqual(await resultOf(attempt(task, body)), all);
    assert.equal(
      new Set(task.journal.map(({ branch, name, count }) => JSON.stringify([branch, name, count]))).size,
      5,
    );
  });

  describe('10: a function that awaits what never comes pauses with no_progress', () => {
    const pausesAfter = async (step: string, body: Body) => {
      const outcome = await attempt(quietTask(), body, { stuckMs: 20 });
      assert.ok(outcome.kind === 'paused' && outcome.reason === 'no_progress');
      assert.match(JSON.stringify(outcome.details), new RegExp(`after step .+${step}`));
    };

    it('a promise of its own', async () => {
      await pausesAfter('a', async (ctx) => {
        await ctx.step('a', () => 1);
        await new Promise(() => {});
      });
    });

    it('the promise of a step that a losing branch asked for', async () => {
      await pausesAfter('quick', async (ctx) => {
        let cached: Promise<unknown> | undefined;
        const load = () => {
          cached ??= ctx.step('load', () => turns(20));
          return cached;
        };
        await ctx.race([load, () => ctx.step('quick', () => 1)]);
        await load();
      });
    });
  });

  it('11: a loop of short waits stays in memory', async () => {
    const task = quietTask();
    const rounds = 50;
    const clock = setInterval(() => {
      task.clock += 1;
    }, 1);
    const body: Body = async (ctx) => {
      for (let i = 0; i < rounds; i += 1) {
        await ctx.step('work', () => i);
        await ctx.sleep(1);
      }
    };
    const outcome = await attempt(task, body, { lingerMs: 1_000 });
    clearInterval(clock);
    assert.equal(outcome.kind, 'completed');
    assert.equal(task.journal.length, 3 * rounds);
  });

  it('12: what the code of a step reads from outside may have changed when it runs again', async () => {
    const task = quietTask();
    const seen: number[] = [];
    const body: Body = async (ctx) => {
      const before: string[] = [];
      await ctx.all([
        async () => before.push(await ctx.step('a', () => 'a')),
        () =>
          ctx.step('b', async () => {
            seen.push(before.length);
            if (task.attempt === 1) await turns(50);
          }),
      ]);
    };
    const first = attempt(task, body);
    await turns(20);
    task.die();
    assert.equal((await first).kind, 'lost');
    await attempt(task, body);
    assert.deepEqual(seen, [0, 1]);
  });
});
