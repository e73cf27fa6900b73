import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { OpspawnError } from '@opspawn/agentkit';
import {
  openOpspawn,
  temporaryFolder,
  testSettings,
  untilFinished,
  untilStatus,
} from '../../test/opspawn.ts';
import { localPrincipal } from '../auth/principal.ts';
import { openNode } from '../start/node.ts';
import type { Store } from '../storage/store.ts';
import { defineFunction, defineWorkflow } from './definitions/definition.ts';
import type { Engine } from './engine-interface.ts';

const config = {
  functions: [
    defineFunction({ name: 'wait', run: (ctx) => ctx.signal('go') }),
    defineFunction({ name: 'sleep', run: (ctx) => ctx.sleep(3_600_000) }),
    defineFunction({
      name: 'work',
      run: (ctx) =>
        ctx.step('work', ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve))),
    }),
    defineFunction({
      name: 'fail',
      retry: { maxAttempts: 2, initialDelayMs: 3_600_000, maxDelayMs: 3_600_000 },
      run() {
        throw new Error('no');
      },
    }),
    defineFunction({
      name: 'break',
      run() {
        throw new OpspawnError('wrong_state', 'It is broken');
      },
    }),
    defineFunction({
      name: 'one',
      concurrency: { limit: 1 },
      run: (ctx) => ctx.step('work', () => new Promise(() => {})),
    }),
    defineFunction({ name: 'slow', rate: { count: 1, intervalMs: 3_600_000 }, run: () => 1 }),
  ],
  workflows: [
    defineWorkflow({ name: 'ask', run: (ctx) => ctx.approval('refund') }),
    defineWorkflow({ name: 'parent', run: (ctx) => ctx.task('wait', {}) }),
  ],
};

type Request = Parameters<Engine['submit']>[1];

async function opened(t: TestContext, capacity = 100) {
  const { engine } = await openOpspawn(t, config, { settings: { capacity } });
  const submit = async (request: Request) => (await engine.submit(localPrincipal, request)).task.id;
  const why = async (id: string) => (await engine.why(localPrincipal, id)).reasons;
  return { engine, submit, why };
}

describe('why', () => {
  it('names the tasks that hold a budget which the task shares with them, and whose it is', async (t) => {
    let store: Store | undefined;
    const { engine } = await openOpspawn(t, config, {
      wrapStore: (opened) => {
        store = opened;
        return opened;
      },
    });
    const submit = async (request: Request) => (await engine.submit(localPrincipal, request)).task.id;
    const task = await submit({ name: 'work', budget: { tokens: 1_000, costMicroUsd: 20_000 } });
    const other = await submit({ name: 'work' });
    await untilStatus(t, engine, task, 'running');
    const codes = async () => (await engine.why(localPrincipal, task)).reasons.map(({ code }) => code);
    assert.deepEqual(await codes(), ['running']);
    const call = { budgetId: task, step: 'model:1', attempt: 1, most: { tokens: 1_000 } };
    await store?.budgets.reserve({ ...call, taskId: other, asked: { tokens: 900, costMicroUsd: 5_000 } });
    const [reason] = (await engine.why(localPrincipal, task)).reasons;
    assert.deepEqual([reason?.code, reason?.taskIds], ['budget', [other]]);
    assert.match(
      reason?.message ?? '',
      /hold .* of its budget \(0 are used and 900 held of 1000 tokens, \$0\.0000 used and \$0\.0050 held of \$0\.0200\)/,
    );
    await store?.budgets.reserve({ ...call, taskId: task, asked: { tokens: 100 } });
    assert.deepEqual(await codes(), ['running'], 'it has its own part');
  });

  it('says when a task is due, also after a failure', async (t) => {
    const { engine, submit, why } = await opened(t);
    const later = await submit({ name: 'wait', delayMs: 3_600_000 });
    const [reason, ...more] = await why(later);
    assert.deepEqual([reason?.code, more], ['due_later', []]);
    assert.ok(Math.abs(Date.parse(reason?.until ?? '') - Date.now() - 3_600_000) < 60_000);
    const failing = await submit({ name: 'fail' });
    for await (const followed of engine.follow(localPrincipal, failing, { after: 0, signal: t.signal }))
      if (followed.type === 'entry') break;
    assert.match((await why(failing))[0]?.message ?? '', /failed once/);
  });

  it('names the task that the session is at', async (t) => {
    const { engine, submit, why } = await opened(t);
    const first = await submit({ name: 'wait', sessionId: 's' });
    const next = await submit({ name: 'wait', sessionId: 's' });
    await untilStatus(t, engine, first, 'waiting');
    const [reason] = await why(next);
    assert.deepEqual([reason?.code, reason?.taskIds], ['session', [first]]);
  });

  it('names the key whose limit is used up, and who uses it', async (t) => {
    const { engine, submit, why } = await opened(t);
    const holder = await submit({ name: 'work', concurrencyKey: 'bank' });
    await untilStatus(t, engine, holder, 'running');
    const held = await submit({ name: 'work', concurrencyKey: 'bank' });
    assert.deepEqual(await why(held), [
      {
        code: 'limit',
        message: '1 of 1 places under the key "bank" are taken, and this one waits',
        limit: { key: 'bank', maxRunning: 1 },
        running: 1,
        taskIds: [holder],
      },
    ]);
    await engine.setLimit(localPrincipal, { key: 'bank', maxRunning: 2 });
    await untilStatus(t, engine, held, 'running');
  });

  it('names every key that is used up, also behind a session', async (t) => {
    const { engine, submit, why } = await opened(t);
    await engine.setLimit(localPrincipal, { key: 'bank', maxRunning: 0 });
    await engine.setLimit(localPrincipal, { key: 'crm', rate: { count: 1, intervalMs: 3_600_000 } });
    await untilFinished(t, engine, await submit({ name: 'slow', ...slowly }));
    const keys = { concurrencyKey: 'bank', ...slowly };
    const first = await submit({ name: 'work', sessionId: 's', ...keys });
    const next = await submit({ name: 'work', sessionId: 's', ...keys });
    const named = async (id: string) => (await why(id)).map(({ code, limit }) => [code, limit?.key]);
    assert.deepEqual(await named(first), [
      ['limit', 'bank'],
      ['rate', 'crm'],
    ]);
    assert.deepEqual(await named(next), [
      ['session', undefined],
      ['limit', 'bank'],
      ['rate', 'crm'],
    ]);
  });

  it('names the pause of the queue, who made it and why, until it is resumed', async (t) => {
    const { engine, submit, why } = await opened(t);
    const waiting = await submit({ name: 'wait' });
    await untilStatus(t, engine, waiting, 'waiting');
    const reason = 'The bank is closed';
    await engine.updateQueue(localPrincipal, 'default', { paused: true, reason });
    const held = await submit({ name: 'wait' });
    const [pause, ...more] = await why(held);
    assert.deepEqual([pause?.code, more], ['queue_paused', []]);
    assert.match(
      pause?.message ?? '',
      /"default" is resumed, which local paused at .*Z: The bank is closed$/,
    );
    assert.deepEqual(
      (await why(waiting)).map(({ code }) => code),
      ['signal', 'queue_paused'],
    );
    await engine.signal(localPrincipal, waiting, { name: 'go' });
    await untilStatus(t, engine, waiting, 'pending');
    await engine.cancel(localPrincipal, held, {});
    await untilStatus(t, engine, held, 'cancelled');
    await engine.updateQueue(localPrincipal, 'default', { paused: false });
    await untilStatus(t, engine, waiting, 'completed');
    await assert.rejects(engine.updateQueue(localPrincipal, 'default', { reason }), {
      code: 'invalid_argument',
    });
  });

  it('names the limit of a definition and of a queue', async (t) => {
    const { engine, submit, why } = await opened(t);
    const holder = await submit({ name: 'one' });
    await untilStatus(t, engine, holder, 'running');
    assert.equal((await why(await submit({ name: 'one' })))[0]?.limit?.key, 'function:one');
    await engine.setLimit(localPrincipal, { key: 'queue:default', maxRunning: 0 });
    assert.equal((await why(await submit({ name: 'wait' })))[0]?.limit?.key, 'queue:default');
  });

  it('says when a rate lets the next task start', async (t) => {
    const { engine, submit, why } = await opened(t);
    await untilFinished(t, engine, await submit({ name: 'slow' }));
    const [reason] = await why(await submit({ name: 'slow' }));
    assert.deepEqual(
      [reason?.code, reason?.limit],
      ['rate', { key: 'function:slow', rate: { count: 1, intervalMs: 3_600_000 } }],
    );
    assert.ok(Math.abs(Date.parse(reason?.until ?? '') - Date.now() - 3_600_000) < 60_000);
  });

  it('names the worker that runs it and until when, and what a task waits for', async (t) => {
    const { engine, submit, why } = await opened(t);
    const running = await submit({ name: 'work' });
    await untilStatus(t, engine, running, 'running');
    const [reason] = await why(running);
    assert.deepEqual([reason?.code, reason?.worker?.pid], ['running', process.pid]);
    const waits = [
      ['wait', 'signal'],
      ['sleep', 'sleep'],
      ['ask', 'approval'],
      ['parent', 'child'],
    ] as const;
    for (const [name, code] of waits) {
      const id = await submit({ name });
      await untilStatus(t, engine, id, 'waiting');
      const [found] = await why(id);
      assert.equal(found?.code, code);
      if (code === 'child') {
        const child = (await engine.list(localPrincipal, { parentId: id, limit: 1 })).items[0];
        assert.deepEqual(found?.taskIds, [child?.id]);
      }
    }
  });

  it('says that nobody serves the queue, and that a task is paused or has ended', async (t) => {
    const { engine, submit, why } = await opened(t);
    const nobodys = await submit({ name: 'wait', queue: 'nobodys' });
    assert.deepEqual(
      (await why(nobodys)).map(({ code }) => code),
      ['no_worker'],
    );
    await engine.pause(localPrincipal, nobodys);
    assert.deepEqual(
      (await why(nobodys)).map(({ code }) => code),
      ['paused'],
    );
    const ended = await submit({ name: 'slow' });
    await untilFinished(t, engine, ended);
    const [finished, ...more] = await why(ended);
    assert.deepEqual([finished?.code, more], ['finished', []]);
    assert.match(finished?.message ?? '', /^It is completed since .*Z: nothing is left to do$/);
  });

  it('says of a failed task what its error was', async (t) => {
    const { engine, submit, why } = await opened(t);
    const id = await submit({ name: 'break' });
    await untilFinished(t, engine, id);
    assert.match((await why(id))[0]?.message ?? '', /^It is failed since .*Z: It is broken \[wrong_state\]$/);
  });

  it('says of a task that nothing holds back that its workers have no room', async (t) => {
    const { engine, submit, why } = await opened(t, 1);
    await untilStatus(t, engine, await submit({ name: 'work' }), 'running');
    const [reason] = await why(await submit({ name: 'work' }));
    assert.equal(reason?.code, 'ready');
    assert.match(reason?.message ?? '', /as soon as the worker of its queue that runs it has room;/);
  });

  it('says that a task which waited and was told to end needs a worker that has it; with one it ends', async (t) => {
    const folder = temporaryFolder(t);
    const first = await openOpspawn(t, config, { folder });
    const { task } = await first.engine.submit(localPrincipal, { name: 'wait' });
    await untilStatus(t, first.engine, task.id, 'waiting');
    await first[Symbol.asyncDispose]();
    await using alone = await openNode({ settings: testSettings(folder) });
    await alone.engine.cancel(localPrincipal, task.id, {});
    const { status, reasons } = await alone.engine.why(localPrincipal, task.id);
    assert.deepEqual([status, reasons.map(({ code }) => code)], ['pending', ['no_worker', 'asked']]);
    const { engine } = await openOpspawn(t, config, { folder });
    assert.equal((await untilFinished(t, engine, task.id)).task.status, 'cancelled');
  });

  it('says that what was put off, or slept, and is due needs a worker', async (t) => {
    const folder = temporaryFolder(t);
    const nap = defineFunction({ name: 'nap', run: (ctx) => ctx.sleep(2_000) });
    const first = await openOpspawn(t, { functions: [nap] }, { folder, durable: { lingerMs: 0 } });
    const { task: asleep } = await first.engine.submit(localPrincipal, { name: 'nap' });
    const { task: later } = await first.engine.submit(localPrincipal, {
      name: 'nap',
      runAt: new Date(Date.now() + 2_000).toISOString(),
    });
    await untilStatus(t, first.engine, asleep.id, 'waiting');
    await first[Symbol.asyncDispose]();
    await using alone = await openNode({ settings: testSettings(folder) });
    const dueAt = Date.now() + 2_000;
    while (Date.now() <= dueAt) await delay(20);
    for (const { id } of [asleep, later]) {
      const { reasons } = await alone.engine.why(localPrincipal, id);
      assert.deepEqual(
        reasons.map(({ code }) => code),
        ['no_worker'],
      );
    }
  });

  it('says of a task that goes on after it was asked to end that it was', async (t) => {
    const deaf = Promise.withResolvers<void>();
    const heard = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const run = defineFunction({
      name: 'deaf',
      run: (ctx) =>
        ctx.step('work', ({ signal }) => {
          signal.addEventListener('abort', () => heard.resolve());
          deaf.resolve();
          return release.promise;
        }),
    });
    const { engine } = await openOpspawn(t, { functions: [run] });
    const { task } = await engine.submit(localPrincipal, { name: 'deaf' });
    await deaf.promise;
    await engine.cancel(localPrincipal, task.id, {});
    await heard.promise;
    const { reasons } = await engine.why(localPrincipal, task.id);
    assert.deepEqual(
      reasons.map(({ code }) => code),
      ['running', 'asked'],
    );
    release.resolve();
    assert.equal((await untilFinished(t, engine, task.id)).task.status, 'cancelled');
  });

  it('is not_found for a task of another namespace', async (t) => {
    const { engine, submit } = await opened(t);
    const id = await submit({ name: 'wait' });
    await assert.rejects(engine.why({ namespace: 'other', name: 'x' }, id), { code: 'not_found' });
  });
});

const slowly = { rateKey: 'crm', rateLimit: { count: 1, intervalMs: 3_600_000 } };

describe('limits', () => {
  it('need their key, and a time excludes a delay', async (t) => {
    const { submit } = await opened(t);
    await assert.rejects(submit({ name: 'wait', concurrencyLimit: 2 }), { code: 'invalid_argument' });
    await assert.rejects(submit({ name: 'wait', rateLimit: { count: 1, intervalMs: 1 } }), {
      code: 'invalid_argument',
    });
    const runAt = new Date().toISOString();
    await assert.rejects(submit({ name: 'wait', delayMs: 1, runAt }), { code: 'invalid_argument' });
  });
});
