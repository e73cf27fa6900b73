import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Context } from './context.ts';
import { attempt, type Body, close, dataOf, entriesOf, quietTask, resultOf } from './simulation/attempt.ts';
import type { SimulatedTask } from './simulation/simulated-task.ts';

const once = { retry: { maxAttempts: 1 } };
const soon = { graceMs: 10 };

/** Fails as long as `isBroken()`. */
const flaky = (ctx: Context, name: string, isBroken: () => boolean): Promise<string> =>
  ctx.step(name, () => (isBroken() ? Promise.reject(new Error(`${name} is broken`)) : name), once);

/** Runs an attempt that fails, ends the task with it, and has an operator try it again. */
async function failAndReopen(task: SimulatedTask, body: Body): Promise<void> {
  const outcome = await attempt(task, body);
  assert.equal(outcome.kind, 'failed');
  close(task, outcome);
  task.post('reopen', '');
}

describe('a failed task that an operator tries again', () => {
  it('runs the failed step again and no other', async () => {
    const task = quietTask();
    let isBroken = true;
    const runs: string[] = [];
    const body: Body = async (ctx) => {
      await ctx.step('a', () => runs.push('a'));
      await flaky(ctx, 'b', () => isBroken);
      return await ctx.step('c', () => runs.push('c'));
    };
    await failAndReopen(task, body);
    isBroken = false;
    assert.equal(await resultOf(attempt(task, body)), 2);
    assert.deepEqual(runs, ['a', 'c']);
    assert.equal(await resultOf(attempt(task, body)), 2);
    assert.equal(task.inbox().length, 0);
  });

  it('keeps failures that the function had handled', async () => {
    const task = quietTask();
    let isBroken = true;
    let tries = 0;
    const body: Body = async (ctx) => {
      const first = await flaky(ctx, 'optional', () => {
        tries += 1;
        return true;
      }).catch(() => 'without');
      return [first, await flaky(ctx, 'needed', () => isBroken)];
    };
    await failAndReopen(task, body);
    isBroken = false;
    assert.deepEqual(await resultOf(attempt(task, body)), ['without', 'needed']);
    assert.equal(tries, 1);
  });

  it('reopens the failures behind the one that ended it as well', async () => {
    const task = quietTask();
    let isBroken = true;
    const body: Body = (ctx) => Promise.all(['a', 'b', 'c'].map((name) => flaky(ctx, name, () => isBroken)));
    await failAndReopen(task, body);
    isBroken = false;
    assert.deepEqual(await resultOf(attempt(task, body)), ['a', 'b', 'c']);
    assert.equal(entriesOf(task).filter((entry) => entry.startsWith('step.reopened')).length, 3);
  });

  it('finds the failure behind an error that has it as its cause, or that is thrown right after it', async () => {
    const task = quietTask();
    const broken = new Set(['a', 'b']);
    const body: Body = async (ctx) => {
      for (const name of ['a', 'b']) {
        try {
          await flaky(ctx, name, () => broken.has(name));
        } catch (cause) {
          throw name === 'a' ? new Error('wrapped', { cause }) : new Error('not wrapped');
        }
      }
      return 'done';
    };
    await failAndReopen(task, body);
    assert.equal(dataOf(task, 'task.failed').failedStep, 1);
    broken.delete('a');
    await failAndReopen(task, body);
    broken.delete('b');
    assert.equal(await resultOf(attempt(task, body)), 'done');
  });

  it('whose own code was wrong goes on with the mended code, and no step is reopened', async () => {
    const task = quietTask();
    const body =
      (isMended: boolean): Body =>
      async (ctx) => {
        await flaky(ctx, 'optional', () => true).catch(() => undefined);
        await ctx.step('a', () => 1);
        if (!isMended) throw new TypeError('a mistake');
        return 'mended';
      };
    await failAndReopen(task, body(false));
    assert.equal(await resultOf(attempt(task, body(true))), 'mended');
    assert.equal(entriesOf(task).at(-1), 'task.resumed');
  });

  it('asks again, with time anew, for a decision that came too late', async () => {
    const task = quietTask();
    const body: Body = (ctx) => ctx.signal('go', { timeoutMs: 10 });
    await attempt(task, body);
    task.clock += 50;
    await failAndReopen(task, body);
    assert.equal((await attempt(task, body)).kind, 'suspended');
    task.post('signal', 'signal:go', 'at last');
    assert.equal(await resultOf(attempt(task, body)), 'at last');
  });

  it('starts children anew that ended with it, but not those that were done', async () => {
    const task = quietTask();
    let isBroken = true;
    const body: Body = (ctx) =>
      Promise.all([
        ctx.task('a'),
        ctx.task('b'),
        ctx.signal('go').then(() => flaky(ctx, 'c', () => isBroken)),
      ]);
    await attempt(task, body);
    const children = task.journal.flatMap(({ data = '' }) => JSON.parse(data).childTaskId ?? []);
    task.post('signal', 'signal:go');
    await failAndReopen(task, body);
    task.post('child', `child:${children[0]}`, { status: 'completed', output: 'A' });
    isBroken = false;
    assert.equal((await attempt(task, body)).kind, 'suspended');
    const anew = dataOf(task, 'wait.opened').childTaskId;
    assert.ok(!children.includes(anew));
    task.post('child', `child:${anew}`, { status: 'completed', output: 'B' });
    assert.deepEqual(await resultOf(attempt(task, body)), ['A', 'B', 'c']);
    assert.equal(entriesOf(task).filter((entry) => entry.startsWith('wait.opened function')).length, 3);
  });

  it('runs a failed effect again, since that is what was asked for, under a new intent', async () => {
    const task = quietTask();
    let runs = 0;
    const pay = () => (++runs === 1 ? Promise.reject(new Error('declined')) : `paid ${runs}`);
    const body: Body = (ctx) => ctx.step('pay', pay, { effect: 'once' });
    await failAndReopen(task, body);
    assert.equal(await resultOf(attempt(task, body)), 'paid 2');
    assert.deepEqual(entriesOf(task), [
      'step.intended pay',
      'step.failed pay',
      'task.failed',
      'step.reopened pay',
      'step.intended pay',
      'step.completed pay',
    ]);
  });

  it('does not silently repeat an effect that the failed run had behind the failure', async () => {
    const task = quietTask();
    let mails = 0;
    const body: Body = async (ctx) => {
      try {
        await flaky(ctx, 'a', () => true);
      } catch (error) {
        await ctx.step('apologise', () => (mails += 1), { effect: 'once' });
        throw error;
      }
    };
    await failAndReopen(task, body);
    assert.equal((await attempt(task, body, soon)).kind, 'suspended');
    assert.equal(mails, 1);
    assert.equal(dataOf(task, 'wait.opened').kind, 'doubt');
    const { key } = dataOf(task, 'wait.opened');
    task.post('decision', String(key), { action: 'result', result: 1, by: 'ann' });
    assert.equal((await attempt(task, body, soon)).kind, 'failed');
    assert.equal(mails, 1);
  });

  it('holds for a loop that folds its history', async () => {
    const task = quietTask();
    let isBroken = true;
    const body: Body = async (_, steps) => {
      const model = () => (isBroken ? Promise.reject(new Error('no answer')) : 'an answer');
      const recorded = steps.history().find((record) => record.name === 'tool');
      if (recorded === undefined) await steps.run('tool', () => 'used', { kind: 'tool' });
      return await steps.run('model', model, { kind: 'llm', retry: { maxAttempts: 1 } });
    };
    const outcome = await attempt(task, body, { mode: 'history' });
    assert.equal(outcome.kind, 'failed');
    const again = await attempt(task, body, { mode: 'history' });
    assert.ok(again.kind === 'failed' && again.failedStep === 2);
    close(task, again);
    task.post('reopen', '');
    isBroken = false;
    assert.equal(await resultOf(attempt(task, body, { mode: 'history' })), 'an answer');
  });
});
