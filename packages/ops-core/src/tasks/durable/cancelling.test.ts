import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CancelledError, OpspawnError } from '@opspawn/agentkit';
import { attempt, type Body, close, dataOf, entriesOf, quietTask, resultOf } from './simulation/attempt.ts';
import { turns } from './simulation/random.ts';

describe('a cancel', () => {
  it('rejects what is open, fires the signals, and lets the function clean up', async () => {
    const task = quietTask();
    const seen: string[] = [];
    const body: Body = async (ctx) => {
      ctx.abortSignal.addEventListener('abort', () => seen.push(String(ctx.abortSignal.reason)));
      try {
        await ctx.step('work', async ({ signal }) => {
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          return 'given up';
        });
      } catch (error) {
        if (error instanceof CancelledError)
          await ctx.step('undo', ({ signal }) => seen.push(`${signal.aborted}`));
        throw error;
      }
    };
    const running = attempt(task, body);
    await turns(10);
    task.post('cancel', '', { reason: 'changed my mind' });
    const outcome = await running;
    assert.ok(outcome.kind === 'cancelled' && outcome.reason === 'changed my mind');
    assert.deepEqual(seen, ['CancelledError: changed my mind', 'false']);
    const [first, ...others] = entriesOf(task);
    assert.equal(first, 'cancel.requested');
    assert.deepEqual(others.sort(), ['step.completed undo', 'step.completed work']);
  });

  it('is replayed where it was', async () => {
    const task = quietTask();
    const body: Body = async (ctx) => {
      try {
        await ctx.signal('go');
      } catch {
        await ctx.step('undo', () => 1);
        await ctx.sleep(100);
        await ctx.step('undo more', () => 1);
      }
    };
    await attempt(task, body);
    task.post('cancel', '');
    assert.equal((await attempt(task, body)).kind, 'suspended');
    task.clock += 200;
    assert.equal((await attempt(task, body)).kind, 'cancelled');
    const journal = entriesOf(task);
    assert.deepEqual(
      journal.filter((entry) => entry.startsWith('step')),
      ['step.completed undo', 'step.completed sleep', 'step.completed undo more'],
    );
    assert.equal((await attempt(task, body)).kind, 'cancelled');
    assert.deepEqual(entriesOf(task), journal);
  });

  it('makes a function that goes on and returns cancelled all the same', async () => {
    const task = quietTask();
    const body: Body = async (ctx) => {
      await ctx.step('a', () => 1);
      return await ctx.signal('go').catch(() => 'never mind');
    };
    await attempt(task, body);
    task.post('cancel', '');
    assert.equal((await attempt(task, body)).kind, 'cancelled');
  });

  it('of a task of which nothing is recorded runs nothing', async () => {
    const task = quietTask();
    task.post('cancel', '', { reason: 'too late' });
    const outcome = await attempt(task, () => assert.fail('it ran'));
    assert.ok(outcome.kind === 'cancelled' && outcome.reason === 'too late');
    close(task, outcome);
    assert.equal(task.inbox().length, 0);
  });

  it('asked for twice is one', async () => {
    const task = quietTask();
    const body: Body = async (ctx) => {
      await ctx.signal('go').catch(() => ctx.signal('tidy'));
    };
    await attempt(task, body);
    task.post('cancel', '');
    await attempt(task, body);
    task.post('cancel', '');
    assert.equal((await attempt(task, body)).kind, 'suspended');
    task.post('signal', 'signal:tidy');
    assert.equal((await attempt(task, body)).kind, 'cancelled');
    assert.equal(entriesOf(task).filter((entry) => entry === 'cancel.requested').length, 1);
  });

  it('tells the children', async () => {
    const task = quietTask();
    const body: Body = (ctx) => ctx.all([() => ctx.task('child'), () => ctx.agent('helper', 'help')]);
    await attempt(task, body);
    const children = task.journal.map((row) => JSON.parse(row.data ?? '').childTaskId);
    task.post('cancel', '');
    await attempt(task, body);
    assert.deepEqual(task.cancelledChildren, children);
  });

  it('ends a task that does not fit its journal, which nothing else would', async () => {
    const task = quietTask();
    await attempt(task, (ctx) => ctx.signal('go'));
    task.post('cancel', '', { reason: 'hopeless' });
    const outcome = await attempt(task, () => 'something else');
    assert.ok(outcome.kind === 'cancelled' && outcome.reason === 'hopeless');
    close(task, outcome);
    assert.equal(task.inbox().length, 0);
  });

  it('ends a loop that folds its history, without running it again', async () => {
    const task = quietTask();
    let runs = 0;
    const body: Body = async (_, steps) => {
      runs += 1;
      await steps.run('model:1', () => 1);
      await steps.wait({ kind: 'approval', name: 'agree' });
    };
    await attempt(task, body, { mode: 'history' });
    task.post('cancel', '');
    assert.equal((await attempt(task, body, { mode: 'history' })).kind, 'cancelled');
    assert.equal((await attempt(task, body, { mode: 'history' })).kind, 'cancelled');
    assert.equal(runs, 2);
  });
});

describe('a pause', () => {
  it('waits for the steps in flight, starts no other, and is undone by resume', async () => {
    const task = quietTask();
    const body: Body = async (ctx) => {
      await ctx.step('a', () => turns(20));
      return await ctx.step('b', () => 'b');
    };
    const running = attempt(task, body);
    await turns(5);
    task.post('pause', '');
    const outcome = await running;
    assert.ok(outcome.kind === 'paused' && outcome.reason === 'operator');
    close(task, outcome);
    assert.deepEqual(entriesOf(task), ['step.completed a', 'task.paused']);
    task.post('resume', '');
    assert.equal(await resultOf(attempt(task, body)), 'b');
    assert.equal(task.inbox().length, 0);
  });

  it('that was taken back before anybody saw it changes nothing', async () => {
    const task = quietTask();
    await attempt(task, (ctx) => ctx.signal('go'));
    task.post('pause', '');
    task.post('resume', '');
    assert.equal((await attempt(task, (ctx) => ctx.signal('go'))).kind, 'suspended');
    assert.equal(task.inbox().length, 0);
  });
});

describe('an attempt that is stopped', () => {
  for (const [kind, code] of [
    ['lost', 'lease_lost'],
    ['stopped', 'unavailable'],
  ] as const) {
    it(`by ${code} ends at once as ${kind}; its function never goes on and writes nothing`, async () => {
      const task = quietTask();
      const stopping = new AbortController();
      const port = task.claim();
      Object.defineProperty(port, 'signal', { value: stopping.signal });
      const seen: string[] = [];
      const afterwards = Promise.withResolvers<void>();
      const body: Body = async (ctx) => {
        const { abortSignal } = ctx;
        ctx.abortSignal.addEventListener('abort', () => seen.push((abortSignal.reason as OpspawnError).code));
        const work = ctx.step('work', async ({ signal }) => {
          await afterwards.promise;
          seen.push(`step: ${signal.aborted}`);
        });
        await Promise.allSettled([
          work,
          afterwards.promise.then(() => ctx.step('more', () => seen.push('more'))),
        ]);
        seen.push('goes on');
      };
      const running = attempt(task, body, {}, port);
      await turns(2);
      const error = new OpspawnError(code, 'stop');
      stopping.abort(error);
      assert.deepEqual(await running, { kind, error });
      afterwards.resolve();
      await turns(10);
      assert.deepEqual(seen, [code, 'step: true']);
      assert.deepEqual(entriesOf(task), []);
    });
  }

  it('before it began runs nothing', async () => {
    const task = quietTask();
    const port = task.claim();
    port.stop();
    assert.equal((await attempt(task, () => assert.fail('it ran'), {}, port)).kind, 'stopped');
  });

  it('while its function begins ends at once', async () => {
    const task = quietTask();
    const port = task.claim();
    const body: Body = () => {
      port.stop();
      return new Promise(() => {});
    };
    assert.equal((await attempt(task, body, {}, port)).kind, 'stopped');
  });

  it('because its journal is refused is lost', async () => {
    const task = quietTask();
    const running = attempt(task, (ctx) => ctx.step('a', () => task.die()));
    const outcome = await running;
    assert.ok(outcome.kind === 'lost' && outcome.error.code === 'lease_lost');
  });

  it('because an entry cannot be written at all fails the task, and says where its journal ends', async () => {
    const task = quietTask();
    const body: Body = async (ctx) => {
      await ctx.step('small', () => 1);
      await ctx.step('big', () => 2);
    };
    const { append } = task;
    task.append = (number, entries, effects) =>
      entries[0]?.name === 'big'
        ? Promise.reject(new OpspawnError('payload_too_large', 'too big'))
        : append.call(task, number, entries, effects);
    const outcome = await attempt(task, body);
    assert.ok(outcome.kind === 'failed' && outcome.error.code === 'payload_too_large');
    assert.equal(outcome.nextSeq, 2);
  });
});

describe('a log line', () => {
  it('is written once, whatever is replayed, and names the step in which it was written', async () => {
    const task = quietTask();
    const body: Body = async (ctx) => {
      ctx.log('info', 'start');
      await ctx.step('a', () => ctx.log('debug', 'in a'));
      ctx.log('info', 'after a', { n: 1 });
      await ctx.signal('go');
      ctx.log('warn', 'end');
    };
    await attempt(task, body);
    await attempt(task, body);
    task.post('signal', 'signal:go');
    await resultOf(attempt(task, body));
    const logs = task.journal.filter(({ type }) => type === 'log');
    const lines = logs.map(({ name, data }) => [name, JSON.parse(data ?? '').message]);
    assert.deepEqual(lines, [
      [undefined, 'start'],
      ['a', 'in a'],
      [undefined, 'after a'],
      [undefined, 'end'],
    ]);
    assert.deepEqual(dataOf(task, 'log'), { level: 'warn', message: 'end' });
  });
});
