import assert from 'node:assert/strict';
import { randomUUIDv7 } from 'node:crypto';
import { describe, it } from 'node:test';
import { defineAgent, type Json, jsonSchemaOf } from '@opspawn/agentkit';
import { say, scriptedModel } from '@opspawn/agentkit/testing';
import { z } from 'zod';
import { openOpspawn, runTask, typesOf, untilFinished, untilStatus } from '../../test/opspawn.ts';
import { localPrincipal, type Principal } from '../auth/principal.ts';
import { interceptStore } from '../storage/faults/intercept.ts';
import type { Store } from '../storage/store.ts';
import { defineFunction, defineWorkflow } from './definitions/definition.ts';
import type { OpspawnConfig } from './definitions/user-config.ts';
import type { Engine } from './engine-interface.ts';

const stranger: Principal = { namespace: 'elsewhere', name: 'stranger' };

const order = z.object({ orderId: z.string(), items: z.array(z.object({ price: z.number() })).default([]) });

const config: OpspawnConfig = {
  functions: [
    defineFunction({ name: 'echo', run: (_ctx, input) => input }),
    defineFunction({
      name: 'order',
      input: order,
      run: (_ctx, { orderId, items }) => `${orderId}:${items.length}`,
    }),
    defineFunction({ name: 'both', run: () => 'function' }),
    defineFunction({ name: 'wait', run: (ctx) => ctx.signal('go') }),
    defineFunction({
      name: 'fail',
      retry: { maxAttempts: 1 },
      run() {
        throw new Error('outer', { cause: new Error('inner') });
      },
    }),
  ],
  workflows: [
    defineWorkflow({ name: 'both', run: () => 'workflow' }),
    defineWorkflow({ name: 'ask', run: (ctx) => ctx.approval('refund', { payload: { amount: 5 } }) }),
  ],
};

const invalid = (path: string) => ({ code: 'invalid_argument', details: { path } });

async function listAll(engine: Engine, principal = localPrincipal) {
  return (await engine.list(principal, { limit: 1000 })).items;
}

describe('submit', () => {
  it('answers with the pending task, which is run to its end', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const input: Json = { text: 'ä\u2028\u0000', list: [1, null] };
    const { task, created } = await engine.submit(localPrincipal, {
      name: 'echo',
      input,
      metadata: { a: 'b' },
    });
    assert.equal(created, true);
    assert.deepEqual(
      [task.kind, task.status, task.queue, task.priority, task.input, task.metadata],
      ['function', 'pending', 'default', 5, input, { a: 'b' }],
    );
    const end = await untilFinished(t, engine, task.id);
    assert.deepEqual([end.task.status, end.task.output, end.task.attempt], ['completed', input, 1]);
    assert.deepEqual(end.task, { ...task, ...end.task });
    assert.deepEqual(typesOf(end.entries), ['task.completed']);
  });

  it('decodes the input by the schema of the definition', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const { task } = await runTask(t, engine, { name: 'order', input: { orderId: 'A' } });
    assert.equal(task.output, 'A:0');
  });

  it('refuses what cannot be run, says where, and writes nothing', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const refuses = async (request: Parameters<Engine['submit']>[1], path: string) =>
      await assert.rejects(
        engine.submit(localPrincipal, request),
        (error: { code: string; details: Json }) => {
          assert.deepEqual(
            [error.code, (error.details as { path: string }).path],
            ['invalid_argument', path],
          );
          return true;
        },
      );
    await refuses({ name: 'nobody' }, '/name');
    await refuses({ name: 'order', kind: 'workflow' }, '/name');
    await refuses({ name: 'both' }, '/kind');
    await refuses({ name: 'order' }, '/input');
    await refuses({ name: 'order', input: { orderId: 5 } }, '/input/orderId');
    await refuses(
      { name: 'order', input: { orderId: 'A', items: [{ price: 1 }, {}] } },
      '/input/items/1/price',
    );
    await refuses({ name: 'echo', input: { at: new Date() } as never }, '/input');
    assert.deepEqual(await listAll(engine), []);
    const { task } = await runTask(t, engine, { name: 'both', kind: 'workflow' });
    assert.equal(task.output, 'workflow');
  });

  it('refuses a prompt that says nothing', async (t) => {
    const model = scriptedModel({ name: 'x', reply: 'x' });
    const helper = defineAgent({ name: 'helper', instructions: 'Help.', model });
    const { engine } = await openOpspawn(t, { agents: [helper] });
    for (const input of ['', ' \n', { prompt: '' }, { prompt: [] }])
      await assert.rejects(engine.submit(localPrincipal, { name: 'helper', input }), {
        code: 'invalid_argument',
      });
    assert.equal((await engine.submit(localPrincipal, { name: 'helper', input: ' x ' })).created, true);
  });

  it('gives the same task for the same idempotency key and request, and refuses another request', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const request = { name: 'echo', input: { a: 1, b: 2 }, idempotencyKey: 'key' };
    const first = await engine.submit(localPrincipal, request);
    const again = await engine.submit(localPrincipal, { ...request, input: { b: 2, a: 1 } });
    assert.deepEqual([again.created, again.task.id], [false, first.task.id]);
    await assert.rejects(engine.submit(localPrincipal, { ...request, input: { a: 2 } }), {
      code: 'idempotency_conflict',
      details: { taskId: first.task.id },
    });
    assert.equal((await listAll(engine)).length, 1);
  });

  it('of many: one that is invalid refuses all, a conflict only itself', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const invalidBatch = [{ name: 'echo' }, { name: 'nobody' }];
    await assert.rejects(engine.submitMany(localPrincipal, invalidBatch), invalid('/1/name'));
    assert.deepEqual(await listAll(engine), []);
    const [first] = await engine.submitMany(localPrincipal, [
      { name: 'echo', input: 1, idempotencyKey: 'key' },
    ]);
    const outcomes = await engine.submitMany(localPrincipal, [
      { name: 'echo', input: 2, idempotencyKey: 'key' },
      { name: 'echo', input: 1, idempotencyKey: 'key' },
      { name: 'echo', input: 3 },
    ]);
    assert.deepEqual(
      outcomes.map(({ outcome }) => outcome),
      ['failed', 'existing', 'created'],
    );
    assert.ok(outcomes[0]?.outcome === 'failed' && outcomes[0].error.code === 'idempotency_conflict');
    assert.deepEqual(outcomes[1], { ...first, outcome: 'existing' });
    assert.equal((await listAll(engine)).length, 2);
  });
});

describe('another namespace', () => {
  it('sees and changes nothing', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const { task } = await engine.submit(localPrincipal, { name: 'wait' });
    await untilStatus(t, engine, task.id, 'waiting');
    const hidden = { code: 'not_found' };
    await assert.rejects(engine.get(stranger, task.id), hidden);
    await assert.rejects(engine.cancel(stranger, task.id, {}), hidden);
    await assert.rejects(engine.retry(stranger, task.id), hidden);
    await assert.rejects(engine.pause(stranger, task.id), hidden);
    await assert.rejects(engine.resume(stranger, task.id), hidden);
    await assert.rejects(engine.signal(stranger, task.id, { name: 'go' }), hidden);
    await assert.rejects(engine.resolve(stranger, task.id, 'a', { action: 'retry' }), hidden);
    await assert.rejects(engine.decide(stranger, task.id, 'a', { approved: true }), hidden);
    await assert.rejects(engine.journal(stranger, task.id, { after: 0, limit: 1 }), hidden);
    const watching = engine.follow(stranger, task.id, { after: 0, signal: t.signal })[Symbol.asyncIterator]();
    await assert.rejects(async () => await watching.next(), hidden);
    assert.deepEqual(await listAll(engine, stranger), []);
    assert.equal((await engine.get(localPrincipal, task.id)).status, 'waiting');
  });

  it('runs what the workers of the deployment have, as its own', async (t) => {
    const { engine } = await openOpspawn(t, config);
    assert.deepEqual(await engine.definitions(stranger), await engine.definitions(localPrincipal));
    const { task } = await engine.submit(stranger, { name: 'echo' });
    assert.equal(task.namespace, stranger.namespace);
    assert.deepEqual(await listAll(engine), []);
    await assert.rejects(engine.get(localPrincipal, task.id), { code: 'not_found' });
  });
});

describe('list', () => {
  it('pages through all tasks, newest first, each once', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const requests = Array.from({ length: 7 }, (_, input) => ({ name: 'echo', input }));
    const submitted = await engine.submitMany(localPrincipal, requests);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await engine.list(localPrincipal, {
        limit: 3,
        ...(cursor === undefined ? {} : { cursor }),
      });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    const ids = submitted.map((outcome) => (outcome.outcome === 'failed' ? '' : outcome.taskId));
    assert.deepEqual(seen, ids.toSorted().toReversed());
  });

  it('refuses a cursor that was not given out', async (t) => {
    const { engine } = await openOpspawn(t, config);
    for (const cursor of ['', 'x', '{}', Buffer.from('a'.repeat(36)).toString('hex')]) {
      await assert.rejects(engine.list(localPrincipal, { limit: 3, cursor }), invalid('/cursor'));
    }
  });
});

describe('what a task can be asked', () => {
  it('a finished task is not cancelled; a cancelled one is given again', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const { task } = await runTask(t, engine, { name: 'echo' });
    await assert.rejects(engine.cancel(localPrincipal, task.id, {}), { code: 'wrong_state' });
    const waiting = await engine.submit(localPrincipal, { name: 'wait' });
    await engine.cancel(localPrincipal, waiting.task.id, { reason: 'enough' });
    const end = await untilFinished(t, engine, waiting.task.id);
    assert.equal(end.task.status, 'cancelled');
    assert.deepEqual(end.entries.at(-1)?.data, { reason: 'enough' });
    assert.equal((await engine.cancel(localPrincipal, waiting.task.id, {})).status, 'cancelled');
  });

  it('only a failed task is retried, and then it runs again', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const { task, entries } = await runTask(t, engine, { name: 'fail' });
    assert.deepEqual(
      [task.status, task.error?.message, task.error?.cause?.message],
      ['failed', 'outer', 'inner'],
    );
    assert.notEqual((await engine.retry(localPrincipal, task.id)).status, 'failed');
    const again = await untilFinished(t, engine, task.id);
    assert.equal(again.task.status, 'failed');
    assert.ok(again.entries.length > entries.length);
    const done = await runTask(t, engine, { name: 'echo' });
    await assert.rejects(engine.retry(localPrincipal, done.task.id), { code: 'wrong_state' });
    await assert.rejects(engine.retry(localPrincipal, randomUUIDv7()), { code: 'not_found' });
  });

  it('a signal reaches the wait for it, and the same signal twice is one', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const { task } = await engine.submit(localPrincipal, { name: 'wait' });
    await untilStatus(t, engine, task.id, 'waiting');
    const id = randomUUIDv7();
    await engine.signal(localPrincipal, task.id, { name: 'other', data: 1 });
    await engine.signal(localPrincipal, task.id, { name: 'go', data: 2, id });
    await engine.signal(localPrincipal, task.id, { name: 'go', data: 3, id }).catch(() => {});
    const end = await untilFinished(t, engine, task.id);
    assert.equal(end.task.output, 2);
    await assert.rejects(engine.signal(localPrincipal, task.id, { name: 'go' }), { code: 'wrong_state' });
  });

  it('a person decides an approval by its step, once', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const { task } = await engine.submit(localPrincipal, { name: 'ask' });
    const { waits } = await untilStatus(t, engine, task.id, 'waiting');
    assert.deepEqual([waits[0]?.kind, waits[0]?.name], ['approval', 'refund']);
    const step = waits[0]?.step ?? '';
    await assert.rejects(engine.decide(localPrincipal, task.id, 'else', { approved: true }), {
      code: 'not_found',
    });
    await assert.rejects(engine.resolve(localPrincipal, task.id, step, { action: 'retry' }), {
      code: 'not_found',
    });
    // an answer says `approved` too, and is none all the same
    await assert.rejects(engine.decide(localPrincipal, task.id, step, { approved: true, answer: true }), {
      code: 'not_found',
    });
    await engine.decide(localPrincipal, task.id, step, { approved: true, comment: 'fine' });
    const end = await untilFinished(t, engine, task.id);
    assert.deepEqual(end.task.output, { approved: true, by: 'local', comment: 'fine' });
    const { status } = await engine.decide(localPrincipal, task.id, step, {
      approved: true,
      comment: 'fine',
    });
    assert.equal(status, 'completed', 'the same word again changes nothing');
    const isTold = (thrown: { code: string; details: Record<string, unknown> }): true => {
      const { decidedAt, ...told } = thrown.details;
      const decision = { approved: true, comment: 'fine' };
      assert.deepEqual(told, { taskId: task.id, step, decidedBy: 'local', decision });
      assert.ok(Date.parse(String(decidedAt)) >= Date.parse(task.createdAt));
      assert.equal(thrown.code, 'already_decided');
      return true;
    };
    await assert.rejects(engine.decide(localPrincipal, task.id, step, { approved: false }), isTold);
    const other = { ...localPrincipal, name: 'ann' };
    const said = { approved: true, comment: 'fine' };
    await assert.rejects(engine.decide(other, task.id, step, said), isTold);
  });

  it('of two people who decide at the same time one is told that the other was first', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const { task } = await engine.submit(localPrincipal, { name: 'ask' });
    const { waits } = await untilStatus(t, engine, task.id, 'waiting');
    const decide = (name: string, approved: boolean) =>
      engine.decide({ ...localPrincipal, name }, task.id, waits[0]?.step ?? '', { approved });
    const [first, second] = await Promise.allSettled([decide('ann', true), decide('bob', false)]);
    assert.equal(first.status, 'fulfilled');
    assert.equal(second.status === 'rejected' && second.reason.details.decidedBy, 'ann');
    const end = await untilFinished(t, engine, task.id);
    assert.deepEqual(end.task.output, { approved: true, by: 'ann' });
  });

  it('a paused task stands still until it is resumed', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const { task } = await engine.submit(localPrincipal, { name: 'wait' });
    await untilStatus(t, engine, task.id, 'waiting');
    await assert.rejects(engine.resume(localPrincipal, task.id), { code: 'wrong_state' });
    await engine.pause(localPrincipal, task.id);
    assert.equal((await untilStatus(t, engine, task.id, 'paused')).pausedReason, 'operator');
    assert.equal((await engine.pause(localPrincipal, task.id)).status, 'paused');
    await engine.signal(localPrincipal, task.id, { name: 'go' });
    assert.equal((await engine.get(localPrincipal, task.id)).status, 'paused');
    await engine.resume(localPrincipal, task.id);
    assert.equal((await untilFinished(t, engine, task.id)).task.status, 'completed');
  });
});

describe('the journal', () => {
  const steps = defineFunction({
    name: 'steps',
    async run(ctx) {
      for (let i = 0; i < 5; i += 1) await ctx.step(`step ${i}`, () => i);
    },
  });

  it('is paged, and follow gives it from any place and ends with the task', async (t) => {
    const { engine } = await openOpspawn(t, { functions: [steps] });
    const { task, entries } = await runTask(t, engine, { name: 'steps' });
    assert.deepEqual(
      entries.map(({ seq }) => seq),
      [1, 2, 3, 4, 5, 6],
    );
    const page = await engine.journal(localPrincipal, task.id, { after: 1, limit: 2 });
    assert.deepEqual(page, { items: entries.slice(1, 3), nextAfter: 3 });
    const rest = await engine.journal(localPrincipal, task.id, { after: 3, limit: 3 });
    assert.deepEqual(rest, { items: entries.slice(3) });
    const followed = [];
    for await (const one of engine.follow(localPrincipal, task.id, { after: 4, signal: t.signal })) {
      followed.push(one.type === 'entry' ? one.entry.seq : one.type);
    }
    assert.deepEqual(followed, [5, 6, 'status']);
  });

  it('follow ends when its signal fires', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const { task } = await engine.submit(localPrincipal, { name: 'wait' });
    const stopping = new AbortController();
    for await (const one of engine.follow(localPrincipal, task.id, { after: 0, signal: stopping.signal })) {
      if (one.type === 'status' && one.task.status === 'waiting') stopping.abort();
    }
  });

  it('follow shows live events between the entries', async (t) => {
    const model = scriptedModel({ name: 'talker', steps: [say('Hello there')] });
    const agent = defineAgent({ name: 'talker', instructions: 'Talk.', model });
    const followed = Promise.withResolvers<void>();
    const wrapStore = (store: Store): Store =>
      interceptStore(store, async (method, _args, call) => {
        if (method === 'claim') await followed.promise;
        return await call();
      });
    const { engine } = await openOpspawn(t, { agents: [agent] }, { wrapStore });
    const { task } = await engine.submit(localPrincipal, { name: 'talker', input: 'Hi' });
    const types = new Set<string>();
    for await (const one of engine.follow(localPrincipal, task.id, { after: 0, signal: t.signal })) {
      followed.resolve();
      if (one.type === 'live') types.add((one.event as { type: string }).type);
    }
    assert.ok(types.has('run.started') && types.has('text.delta'), [...types].join());
  });
});

describe('usage', () => {
  it('is the sum over the model calls of an agent', async (t) => {
    const model = scriptedModel({ name: 'talker', steps: [say('Hello there')] });
    const agent = defineAgent({ name: 'talker', instructions: 'Talk.', model });
    const { engine } = await openOpspawn(t, { agents: [agent] });
    const { task } = await runTask(t, engine, { name: 'talker', input: { prompt: 'Hi' } });
    assert.deepEqual([task.status, task.output], ['completed', 'Hello there']);
    assert.ok(task.usage !== undefined && task.usage.inputTokens > 0 && task.usage.outputTokens > 0);
  });
});

describe('definitions', () => {
  it('are what the worker registered, with the JSON Schema of their input', async (t) => {
    const { engine } = await openOpspawn(t, config);
    const definitions = await engine.definitions(localPrincipal);
    assert.equal(definitions.length, 7);
    const found = definitions.find(({ name }) => name === 'order');
    assert.deepEqual([found?.kind, found?.version, found?.queue], ['function', '1', 'default']);
    assert.deepEqual(found?.inputSchema, jsonSchemaOf(order));
  });
});
