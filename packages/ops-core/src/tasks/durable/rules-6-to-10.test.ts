import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, it } from 'node:test';
import type { OpspawnError } from '@opspawn/agentkit';
import { attempt, type Body, dataOf, delay, entriesOf, quietTask, resultOf } from './simulation/attempt.ts';
import { turns } from './simulation/random.ts';

describe('rule 6: time and chance are those of the journal', () => {
  it('a sleep keeps the due time that it had when it was asked for', async () => {
    const task = quietTask();
    const body: Body = (ctx) => ctx.sleep(100);
    const { clock } = task;
    await attempt(task, body);
    assert.equal(dataOf(task, 'wait.opened').dueAt, clock + 100);
    task.clock += 60;
    assert.equal((await attempt(task, body)).kind, 'suspended');
    task.clock = clock + 100;
    assert.equal((await attempt(task, body)).kind, 'completed');
  });

  it('now is when the last result was recorded', async () => {
    const task = quietTask();
    const body: Body = async (ctx) => {
      const before = ctx.now();
      await ctx.step('a', () => {
        task.clock += 500;
      });
      return [before, ctx.now()];
    };
    const live = await resultOf(attempt(task, body));
    assert.deepEqual(live, [1_000_000, task.journal[0]?.at]);
    task.clock += 10_000;
    assert.deepEqual(await resultOf(attempt(task, body)), live);
  });

  it('random numbers and UUIDs cost no entry, differ by branch and are the same again', async () => {
    const task = quietTask();
    const body: Body = async (ctx) => {
      await ctx.step('a', () => ctx.random());
      return [ctx.random(), ctx.uuid(), ...(await ctx.all([() => ctx.random(), () => ctx.random()]))];
    };
    const live = (await resultOf(attempt(task, body))) as unknown[];
    assert.equal(new Set(live).size, 4);
    assert.equal(task.journal.length, 1);
    assert.deepEqual(await resultOf(attempt(task, body)), live);
  });
});

describe('rule 7: losing branches close at the delivery that decides', () => {
  it('their late results are recorded and not handed out, their new calls never settle', async () => {
    const task = quietTask();
    const seen: string[] = [];
    const body: Body = async (ctx) => {
      const winner = await ctx.race([
        () => ctx.step('quick', () => 'quick'),
        async () => {
          await ctx.step('slow', () => turns(8)).then(() => seen.push('slow handed out'));
          await ctx.step('never', () => seen.push('never runs'));
          return 'slow';
        },
      ]);
      await ctx.step('after', () => turns(20));
      return winner;
    };
    assert.equal(await resultOf(attempt(task, body)), 'quick');
    const journal = ['step.completed race1.0/quick', 'step.completed race1.1/slow', 'step.completed after'];
    assert.deepEqual(entriesOf(task), journal);
    assert.equal(await resultOf(attempt(task, body)), 'quick');
    assert.deepEqual(entriesOf(task), journal);
    assert.deepEqual(seen, []);
  });

  it('their steps are aborted', async () => {
    const task = quietTask();
    const body: Body = (ctx) =>
      ctx.race([
        () => ctx.step('quick', () => 'quick'),
        () =>
          ctx.step('slow', async ({ signal }) => {
            await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
            throw signal.reason;
          }),
      ]);
    assert.equal(await resultOf(attempt(task, body)), 'quick');
    assert.deepEqual(entriesOf(task), ['step.completed race1.0/quick', 'step.failed race1.1/slow']);
  });

  it('their waits take nothing', async () => {
    const task = quietTask();
    const body: Body = async (ctx) => {
      await ctx.race([() => ctx.signal('go'), () => ctx.step('quick', () => 1)]);
      return await ctx.signal('go');
    };
    assert.equal((await attempt(task, body)).kind, 'suspended');
    task.post('signal', 'signal:go', 'for the second');
    assert.equal(await resultOf(attempt(task, body)), 'for the second');
  });
});

describe('rule 8: a task does not end while a step is in flight', () => {
  it('a step that nobody awaits is recorded before the end', async () => {
    const task = quietTask();
    const body: Body = async (ctx) => {
      void ctx.step('left alone', () => turns(10));
      await ctx.step('a', () => 1);
      return 'done';
    };
    assert.equal(await resultOf(attempt(task, body)), 'done');
    assert.deepEqual(entriesOf(task), ['step.completed a', 'step.completed left alone']);
    assert.equal(await resultOf(attempt(task, body)), 'done');
  });
});

describe('rule 9: a step runs in the AsyncLocalStorage context of its caller', () => {
  it('what the caller stored is there in the step and behind it', async () => {
    const storage = new AsyncLocalStorage<string>();
    const body: Body = (ctx) =>
      storage.run('mine', async () => {
        const inside = await ctx.step('a', () => turns(1).then(() => storage.getStore()));
        const behind = storage.getStore();
        const [inBranch] = await ctx.all([() => ctx.step('b', () => storage.getStore())]);
        return [inside, behind, inBranch];
      });
    assert.deepEqual(await resultOf(attempt(quietTask(), body)), ['mine', 'mine', 'mine']);
  });

  it('a step inside a step is nested_step, also behind I/O', async () => {
    const task = quietTask();
    const body: Body = async (ctx) => {
      const outer = ctx.step('outer', async () => {
        await delay(2);
        await ctx.step('inner', () => 1);
      });
      return await outer.catch((error: OpspawnError) => [error.name, error.code]);
    };
    assert.deepEqual(await resultOf(attempt(task, body)), ['StepError', 'nested_step']);
    assert.deepEqual(entriesOf(task), ['step.failed outer']);
    assert.deepEqual(await resultOf(attempt(task, body)), ['StepError', 'nested_step']);
  });

  it('branches inside a step are nested_step', async () => {
    const body: Body = (ctx) => ctx.step('outer', () => ctx.all([() => 1]));
    const outcome = await attempt(quietTask(), body);
    assert.ok(outcome.kind === 'failed' && outcome.error.code === 'nested_step');
  });
});

describe('rule 10: suspending is compare-and-set against the inbox', () => {
  it('a signal that comes while the task is being suspended is taken at once', async () => {
    const task = quietTask();
    const { suspend } = task;
    let suspensions = 0;
    task.suspend = async (...args) => {
      suspensions += 1;
      task.post('signal', 'signal:go', 'just now');
      return await suspend.apply(task, args);
    };
    assert.equal(await resultOf(attempt(task, (ctx) => ctx.signal('go'))), 'just now');
    assert.equal(suspensions, 1);
  });

  it('only what an open wait waits for counts', async () => {
    const task = quietTask();
    task.post('signal', 'signal:other');
    assert.equal((await attempt(task, (ctx) => ctx.signal('go'))).kind, 'suspended');
    assert.equal(task.inbox().length, 1);
  });
});
