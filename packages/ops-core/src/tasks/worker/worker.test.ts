import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { defineAgent, OpspawnError, textOf } from '@opspawn/agentkit';
import { scriptedModel } from '@opspawn/agentkit/testing';
import type { Entry } from '@opspawn/sdk';
import {
  openOpspawn,
  runTask,
  temporaryFolder,
  typesOf,
  untilFinished,
  untilStatus,
} from '../../../test/opspawn.ts';
import { localPrincipal } from '../../auth/principal.ts';
import { defineFunction } from '../definitions/definition.ts';
import type { OpspawnConfig } from '../definitions/user-config.ts';
import type { Engine } from '../engine-interface.ts';

const failures = (entries: readonly Entry[]) =>
  entries.filter(({ type }) => type === 'attempt.failed').map(({ data }) => data as { retryInMs: number });

/** A function whose one step waits until it is aborted, and tells why. */
function stuck(onAbort: (reason: OpspawnError) => void = () => {}, onBegin: () => void = () => {}) {
  return defineFunction({
    name: 'stuck',
    retry: { maxAttempts: 2, initialDelayMs: 1 },
    run: (ctx) =>
      ctx.step('wait', async ({ signal }) => {
        onBegin();
        if (!signal.aborted) await once(signal, 'abort');
        onAbort(signal.reason as OpspawnError);
        throw signal.reason;
      }),
  });
}

describe('retries', () => {
  it('a failed attempt is tried again with growing jitter, and the last failure is the end', async (t) => {
    let runs = 0;
    const flaky = defineFunction({
      name: 'flaky',
      retry: { maxAttempts: 4, initialDelayMs: 10, factor: 2 },
      run() {
        runs += 1;
        throw new Error(`no ${runs}`);
      },
    });
    const { engine } = await openOpspawn(t, { functions: [flaky] });
    const { task, entries } = await runTask(t, engine, { name: 'flaky' });
    assert.deepEqual(typesOf(entries), ['attempt.failed', 'attempt.failed', 'attempt.failed', 'task.failed']);
    for (const [index, { retryInMs }] of failures(entries).entries())
      assert.ok(retryInMs <= 10 * 2 ** index + 1);
    assert.deepEqual(
      [task.status, task.attempt, task.failures, task.error?.message, runs],
      ['failed', 4, 4, 'no 4', 4],
    );
  });

  it('the policy of the task goes before that of the definition', async (t) => {
    const { engine } = await openOpspawn(t, {
      functions: [
        defineFunction({
          name: 'fail',
          retry: { maxAttempts: 9 },
          run() {
            throw new Error('no');
          },
        }),
      ],
    });
    const { task } = await runTask(t, engine, { name: 'fail', retry: { maxAttempts: 1 } });
    assert.equal(task.attempt, 1);
  });

  it('and counts for its steps that have none of their own', async (t) => {
    let tries = 0;
    const failing = defineFunction({
      name: 'fail',
      run: (ctx) =>
        ctx.step('try', () => {
          tries += 1;
          throw new Error('no');
        }),
    });
    const { engine } = await openOpspawn(t, { functions: [failing] });
    await runTask(t, engine, { name: 'fail', retry: { maxAttempts: 1 } });
    assert.equal(tries, 1);
    await runTask(t, engine, { name: 'fail', retry: { maxAttempts: 2, maxDelayMs: 1 } });
    assert.equal(tries, 3);
  });

  it('a permanent error is never tried again', async (t) => {
    const { engine } = await openOpspawn(t, {
      functions: [
        defineFunction({
          name: 'refused',
          run() {
            throw new OpspawnError('permission_denied', 'not for you');
          },
        }),
      ],
    });
    const { task } = await runTask(t, engine, { name: 'refused' });
    assert.deepEqual([task.status, task.attempt, task.error?.code], ['failed', 1, 'permission_denied']);
  });

  it('waits at least as long as the other side asked for', async (t) => {
    const { engine } = await openOpspawn(t, {
      functions: [
        defineFunction({
          name: 'limited',
          retry: { maxAttempts: 2, initialDelayMs: 0 },
          run() {
            throw new OpspawnError('rate_limited', 'later', { retryAfterMs: 150 });
          },
        }),
      ],
    });
    const { entries } = await runTask(t, engine, { name: 'limited' });
    assert.deepEqual(
      failures(entries).map(({ retryInMs }) => retryInMs),
      [150],
    );
    const [first, last] = [entries[0], entries.at(-1)];
    assert.ok(Number(last?.at) - Number(first?.at) >= 150);
  });
});

describe('an attempt', () => {
  it('is ended at its deadline, and that counts as a failure', async (t) => {
    const reasons: string[] = [];
    const { engine } = await openOpspawn(t, { functions: [stuck(({ code }) => reasons.push(code))] });
    const { task, entries } = await runTask(t, engine, { name: 'stuck', attemptTimeoutMs: 500 });
    assert.deepEqual(typesOf(entries), ['attempt.failed', 'task.failed']);
    assert.deepEqual([task.error?.code, task.attempt, reasons], ['timeout', 2, ['timeout', 'timeout']]);
  });

  it('is stopped by a cancel in the middle of a step', async (t) => {
    const { promise: aborted, resolve } = Promise.withResolvers<OpspawnError>();
    const begun = Promise.withResolvers<void>();
    const { engine } = await openOpspawn(t, { functions: [stuck(resolve, begun.resolve)] });
    const { task } = await engine.submit(localPrincipal, { name: 'stuck' });
    await begun.promise;
    await engine.cancel(localPrincipal, task.id, { reason: 'enough' });
    assert.equal((await aborted).code, 'cancelled');
    assert.equal((await untilFinished(t, engine, task.id)).task.status, 'cancelled');
  });

  it('is stopped by a cancel that another process asked for', async (t) => {
    const folder = temporaryFolder(t);
    const here = await openOpspawn(t, { functions: [stuck()] }, { folder });
    const there = await openOpspawn(t, {}, { folder, settings: { queues: ['other'] } });
    const { task } = await there.engine.submit(localPrincipal, { name: 'stuck' });
    await untilStatus(t, here.engine, task.id, 'running');
    await there.engine.cancel(localPrincipal, task.id, {});
    assert.equal((await untilFinished(t, here.engine, task.id)).task.status, 'cancelled');
  });

  it('that was cancelled before it started never runs', async (t) => {
    let runs = 0;
    const folder = temporaryFolder(t);
    const count = defineFunction({ name: 'count', queue: 'late', run: () => ++runs });
    const first = await openOpspawn(t, { functions: [count] }, { folder });
    await first[Symbol.asyncDispose]();
    const without = await openOpspawn(t, {}, { folder });
    const { task } = await without.engine.submit(localPrincipal, { name: 'count' });
    await without.engine.cancel(localPrincipal, task.id, {});
    const { engine } = await openOpspawn(t, { functions: [count] }, { folder });
    assert.equal((await untilFinished(t, engine, task.id)).task.status, 'cancelled');
    assert.equal(runs, 0);
  });

  it('logs on its task what its code left to nobody, and the worker goes on', async (t) => {
    const careless = defineFunction({
      name: 'careless',
      async run(ctx) {
        void Promise.reject(new Error('lost promise'));
        setTimeout(() => {
          throw new Error('lost error');
        }, 1);
        await ctx.step('wait', () => new Promise((resolve) => setTimeout(resolve, 20)));
        return 'fine';
      },
    });
    // The runner of the tests has handlers of its own, which would call this a failure.
    const kept = (['unhandledRejection', 'uncaughtException'] as const).map(
      (event) => [event, process.listeners(event)] as const,
    );
    for (const [event] of kept) process.removeAllListeners(event);
    t.after(() => {
      for (const [event, listeners] of kept)
        for (const listener of listeners) process.on(event, listener as () => void);
    });
    const { engine } = await openOpspawn(t, { functions: [careless] });
    const { task, entries } = await runTask(t, engine, { name: 'careless' });
    assert.equal(task.output, 'fine');
    const messages = entries
      .filter(({ type }) => type === 'log')
      .map(({ data }) => (data as { message: string }).message);
    assert.deepEqual(messages.toSorted(), ['Nobody caught: lost error', 'Nobody caught: lost promise']);
  });
});

describe('waiting', () => {
  it('a long sleep holds no worker and ends in time', async (t) => {
    const sleeper = defineFunction({
      name: 'sleeper',
      async run(ctx) {
        const from = ctx.now();
        await ctx.sleep(300);
        return ctx.now() - from;
      },
    });
    const { engine } = await openOpspawn(t, { functions: [sleeper] }, { durable: { lingerMs: 0 } });
    const { task } = await runTask(t, engine, { name: 'sleeper' });
    assert.ok(Number(task.output) >= 300);
    assert.equal(task.attempt, 2);
  });

  it('a task that is due later does not start before', async (t) => {
    const clock = defineFunction({ name: 'clock', run: () => Date.now() });
    const { engine } = await openOpspawn(t, { functions: [clock] });
    const runAt = new Date(Date.now() + 200);
    const { task } = await runTask(t, engine, { name: 'clock', runAt: runAt.toISOString() });
    assert.ok(Number(task.output) >= runAt.getTime());
  });

  it('a parent waits for its children without holding a worker', async (t) => {
    const { engine } = await openOpspawn(
      t,
      {
        functions: [
          defineFunction({ name: 'double', run: (_ctx, n) => Number(n) * 2 }),
          defineFunction({
            name: 'parent',
            run: (ctx) => ctx.map([1, 2, 3], (n) => ctx.task('double', n)),
          }),
          defineFunction({ name: 'lonely', run: (ctx) => ctx.task('nobody') }),
        ],
      },
      // One slot: a parent that held it would wait for ever.
      { settings: { capacity: 1 }, durable: { lingerMs: 0 } },
    );
    const { task } = await runTask(t, engine, { name: 'parent' });
    assert.deepEqual(task.output, [2, 4, 6]);
    const children = await engine.list(localPrincipal, { parentId: task.id, limit: 10 });
    assert.equal(children.items.length, 3);
    const { task: lonely } = await runTask(t, engine, { name: 'lonely', retry: { maxAttempts: 1 } });
    assert.match(String(lonely.error?.message), /nobody/);
  });
});

describe('claims', () => {
  it('urgent tasks go first, then older ones', async (t) => {
    const ran: unknown[] = [];
    const folder = temporaryFolder(t);
    const note = defineFunction({ name: 'note', queue: 'late', run: (_ctx, input) => void ran.push(input) });
    const config: OpspawnConfig = { functions: [note] };
    const first = await openOpspawn(t, config, { folder });
    await first[Symbol.asyncDispose]();
    const without = await openOpspawn(t, {}, { folder });
    for (const [input, priority] of [5, 0, 9, 5].entries()) {
      await without.engine.submit(localPrincipal, { name: 'note', input, priority });
    }
    const { engine } = await openOpspawn(t, config, { folder, settings: { capacity: 1 } });
    const last = await engine.submit(localPrincipal, { name: 'note', input: 'last', priority: 9 });
    await untilFinished(t, engine, last.task.id);
    assert.deepEqual(ran, [1, 0, 3, 2, 'last']);
  });

  it('what a process submits to its own worker, without end, does not keep out what others submitted', async (t) => {
    const folder = temporaryFolder(t);
    const brief = defineFunction({
      name: 'brief',
      run: () => new Promise((resolve) => setTimeout(resolve, 2)),
    });
    const config: OpspawnConfig = { functions: [brief] };
    const here = await openOpspawn(t, config, { folder, settings: { capacity: 2 } });
    const there = await openOpspawn(t, {}, { folder, settings: { queues: ['other'] } });
    const stopping = new AbortController();
    const caller = async (): Promise<void> => {
      while (!stopping.signal.aborted) await runTask(t, here.engine, { name: 'brief' });
    };
    const callers = Array.from({ length: 6 }, caller);
    for (let task = 0; task < 5; task += 1) await runTask(t, there.engine, { name: 'brief' });
    stopping.abort();
    await Promise.all(callers);
  });

  it('a worker without the definition gives the task back at once and without a failure, and takes no other', async (t) => {
    const folder = temporaryFolder(t);
    const greet = defineFunction({ name: 'greet', run: () => 'hello' });
    const own = defineFunction({ name: 'own', run: () => 'mine' });
    const first = await openOpspawn(t, { functions: [greet] }, { folder });
    await first[Symbol.asyncDispose]();
    const without = await openOpspawn(t, { functions: [own] }, { folder });
    const { task } = await without.engine.submit(localPrincipal, { name: 'greet' });
    await untilAttempt(t, without.engine, task.id, 1);
    const more = await without.engine.submitMany(
      localPrincipal,
      Array.from({ length: 50 }, () => ({ name: 'greet' })),
    );
    assert.equal((await runTask(t, without.engine, { name: 'own' })).task.output, 'mine');
    await openOpspawn(t, { functions: [greet] }, { folder });
    const end = await untilFinished(t, without.engine, task.id);
    assert.deepEqual(
      [end.task.output, end.task.attempt, end.task.failures, typesOf(end.entries)],
      ['hello', 2, 0, ['task.completed']],
    );
    for (const outcome of more) {
      assert.ok(outcome.outcome === 'created');
      const { task: other } = await untilFinished(t, without.engine, outcome.taskId);
      assert.deepEqual([other.output, other.attempt], ['hello', 1]);
    }
  });

  it('tasks of a session run one after the other and remember', async (t) => {
    const seen: string[][] = [];
    const model = scriptedModel({
      name: 'parrot',
      reply({ messages }) {
        seen.push(messages.filter(({ role }) => role === 'user').map((message) => textOf(message as never)));
        return `reply ${seen.length}`;
      },
    });
    const agent = defineAgent({ name: 'parrot', instructions: 'Repeat.', model });
    const folder = temporaryFolder(t);
    const { engine } = await openOpspawn(t, { agents: [agent] }, { folder });
    const requests = ['one', 'two', 'three'].map((input) => ({ name: 'parrot', input, sessionId: 'talk' }));
    const outcomes = await engine.submitMany(localPrincipal, requests);
    for (const outcome of outcomes) {
      assert.ok(outcome.outcome === 'created');
      await untilFinished(t, engine, outcome.taskId);
    }
    assert.deepEqual(seen, [['one'], ['one', 'two'], ['one', 'two', 'three']]);
  });
});

describe('a worker that shuts down', () => {
  it('lets what runs end within the grace', async (t) => {
    const slow = defineFunction({
      name: 'slow',
      run: (ctx) => ctx.step('work', () => new Promise((resolve) => setTimeout(resolve, 100, 'done'))),
    });
    const folder = temporaryFolder(t);
    const running = await openOpspawn(
      t,
      { functions: [slow] },
      { folder, settings: { shutdownGraceMs: 60_000 } },
    );
    const { task } = await running.engine.submit(localPrincipal, { name: 'slow' });
    await untilStatus(t, running.engine, task.id, 'running');
    await running[Symbol.asyncDispose]();
    const { engine } = await openOpspawn(t, {}, { folder });
    const end = await engine.get(localPrincipal, task.id);
    assert.deepEqual([end.status, end.output, end.attempt], ['completed', 'done', 1]);
  });

  it('gives back what does not end, without a failure, and another goes on at the same step', async (t) => {
    const folder = temporaryFolder(t);
    let runs = 0;
    const steps = (isLast: boolean) =>
      defineFunction({
        name: 'steps',
        async run(ctx) {
          await ctx.step('first', () => ++runs);
          return await ctx.step('second', async ({ signal }) => {
            if (!isLast) await once(signal, 'abort');
            return 'done';
          });
        },
      });
    const first = await openOpspawn(t, { functions: [steps(false)] }, { folder });
    const { task } = await first.engine.submit(localPrincipal, { name: 'steps' });
    await untilEntry(t, first.engine, task.id);
    await first[Symbol.asyncDispose]();
    const { engine } = await openOpspawn(t, { functions: [steps(true)] }, { folder });
    const end = await untilFinished(t, engine, task.id);
    assert.deepEqual([end.task.output, end.task.attempt, end.task.failures, runs], ['done', 2, 0, 1]);
    assert.deepEqual(typesOf(end.entries), ['step.completed', 'step.completed', 'task.completed']);
  });
});

async function untilEntry(t: TestContext, engine: Engine, taskId: string): Promise<void> {
  for await (const one of engine.follow(localPrincipal, taskId, { after: 0, signal: t.signal })) {
    if (one.type === 'entry') return;
  }
}

async function untilAttempt(t: TestContext, engine: Engine, taskId: string, attempt: number): Promise<void> {
  while ((await engine.get(localPrincipal, taskId)).attempt < attempt) {
    t.signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
