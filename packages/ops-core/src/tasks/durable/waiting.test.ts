import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OpspawnError } from '@opspawn/agentkit';
import type { Effects, StoredWait } from '../../storage/store.ts';
import { attempt, type Body, dataOf, entriesOf, quietTask, resultOf } from './simulation/attempt.ts';
import type { SimulatedTask } from './simulation/simulated-task.ts';

/** What was written in one transaction with the entries of this type. */
function watchEffects(task: SimulatedTask, type: string): Effects[] {
  const seen: Effects[] = [];
  const { commit } = task;
  task.commit = (attemptNumber, entries, effects = {}) => {
    if (entries.some((entry) => entry.type === type)) seen.push(effects);
    commit.call(task, attemptNumber, entries, effects);
  };
  return seen;
}

function watchWaits(task: SimulatedTask): { last: readonly StoredWait[] } {
  const seen: { last: readonly StoredWait[] } = { last: [] };
  const { suspend } = task;
  task.suspend = (attemptNumber, waits) => {
    seen.last = waits;
    return suspend.call(task, attemptNumber, waits);
  };
  return seen;
}

const childOf = (task: SimulatedTask): string => String(dataOf(task, 'wait.opened').childTaskId);

describe('a child task', () => {
  const body: Body = (ctx) => ctx.agent('helper', { prompt: 'help' });

  it('is created in the transaction that records its wait, once', async () => {
    const task = quietTask();
    const effects = watchEffects(task, 'wait.opened');
    assert.equal((await attempt(task, body)).kind, 'suspended');
    assert.equal((await attempt(task, body)).kind, 'suspended');
    const id = childOf(task);
    const ofDefinition = {
      namespace: 'default',
      kind: 'agent',
      name: 'helper',
      queue: 'default',
      priority: 5,
    };
    const child = { ...ofDefinition, id, parentId: 'task', parentKey: `child:${id}` };
    assert.deepEqual(effects, [{ children: [child] }]);
    assert.deepEqual(entriesOf(task), ['wait.opened agent:helper']);
  });

  it('gives its output', async () => {
    const task = quietTask();
    await attempt(task, body);
    task.post('child', `child:${childOf(task)}`, { status: 'completed', output: { text: 'done' } });
    assert.deepEqual(await resultOf(attempt(task, body)), { text: 'done' });
    assert.deepEqual(await resultOf(attempt(task, body)), { text: 'done' });
  });

  it('that failed rejects with its error', async () => {
    const task = quietTask();
    const catching: Body = async (ctx, steps) => {
      const output = Promise.resolve(body(ctx, steps));
      return await output.catch((error: OpspawnError) => [error.name, error.code, error.message]);
    };
    await attempt(task, catching);
    const error = { name: 'Error', code: 'model_failed', message: 'no answer' };
    task.post('child', `child:${childOf(task)}`, { status: 'failed', error });
    assert.deepEqual(await resultOf(attempt(task, catching)), ['StepError', 'model_failed', 'no answer']);
    assert.deepEqual(await resultOf(attempt(task, catching)), ['StepError', 'model_failed', 'no answer']);
  });

  it('that cannot be made fails the call', async () => {
    const task = quietTask();
    const port = Object.assign(task.claim(), {
      childTask: () => {
        throw new TypeError('there is no such agent');
      },
    });
    const outcome = await attempt(task, body, {}, port);
    assert.ok(outcome.kind === 'failed' && outcome.error.message === 'there is no such agent');
    assert.deepEqual(entriesOf(task), ['step.failed agent:helper']);
  });

  for (const crashes of [false, true]) {
    it(`of a branch that lost is cancelled, once${crashes ? ', also when the worker died before it could' : ''}`, async () => {
      const task = quietTask();
      const racing: Body = async (ctx) => {
        const winner = await ctx.race([() => ctx.agent('helper', 'help'), () => ctx.signal('enough')]);
        return await ctx.step('after', () => winner);
      };
      await attempt(task, racing);
      const id = JSON.parse(task.journal[0]?.data ?? '').childTaskId;
      task.post('signal', 'signal:enough', 'enough');
      const effects = watchEffects(task, 'step.failed');
      if (crashes) {
        const { append } = task;
        task.append = (number, entries, with_) => {
          if (entries[0]?.type === 'step.failed') task.die();
          task.append = entries[0]?.type === 'step.failed' ? append : task.append;
          return append.call(task, number, entries, with_);
        };
        assert.equal((await attempt(task, racing)).kind, 'lost');
      }
      assert.equal(await resultOf(attempt(task, racing)), 'enough');
      assert.equal(await resultOf(attempt(task, racing)), 'enough');
      assert.deepEqual(task.cancelledChildren, [id]);
      assert.equal(effects.length, 1);
    });
  }
});

describe('a wait', () => {
  for (const kind of ['approval', 'question'] as const)
    it(`that asks a person (${kind}) is known to the store also when its time is nearly over`, async (t) => {
      const task = quietTask();
      const clock = setInterval(() => {
        task.clock += 10;
      }, 1);
      t.after(() => clearInterval(clock));
      const body: Body = (_ctx, steps) => steps.wait({ kind, name: 'x', prompt: 'Well?', timeoutMs: 900 });
      assert.equal((await attempt(task, body, { lingerMs: 1_000 })).kind, 'suspended');
    });

  it('shows people what it is about, by the name that its author gave', async () => {
    const task = quietTask();
    const waits = watchWaits(task);
    const { clock } = task;
    await attempt(task, (ctx, steps) =>
      ctx.all([
        () => ctx.approval('refund', { payload: { cents: 5 }, timeoutMs: 100 }),
        () => steps.wait({ kind: 'question', name: 'colour', prompt: 'Which one?' }),
        () => ctx.signal('go'),
        () => ctx.sleep(1_000),
      ]),
    );
    assert.deepEqual(
      waits.last.map(({ step, kind, name, dueAt, data }) => ({ step, kind, name, dueAt, data })),
      [
        {
          step: 'all1.0/approval:refund',
          kind: 'approval',
          name: 'refund',
          dueAt: clock + 100,
          data: '{"payload":{"cents":5}}',
        },
        {
          step: 'all1.1/question:colour',
          kind: 'question',
          name: 'colour',
          dueAt: undefined,
          data: '{"prompt":"Which one?"}',
        },
        { step: 'all1.2/signal:go', kind: 'signal', name: 'go', dueAt: undefined, data: undefined },
        { step: 'all1.3/sleep', kind: 'sleep', name: 'sleep', dueAt: clock + 1_000, data: undefined },
      ],
    );
    const keys = waits.last.map(({ key, hash }) => key?.replace(hash, 'HASH'));
    assert.deepEqual(keys, ['decision:HASH', 'decision:HASH', 'signal:go', undefined]);
  });

  it('may be of a fraction of a millisecond, and of any length, and is due at a time that has a name', async () => {
    for (const [ms, dueAfterMs] of [
      [1_500.2, 1_501],
      [Math.PI, 4],
    ] as const) {
      const task = quietTask();
      const waits = watchWaits(task);
      await attempt(task, (ctx) => ctx.all([() => ctx.sleep(ms), () => ctx.signal('go', { timeoutMs: ms })]));
      const { clock } = task;
      assert.deepEqual(new Set(waits.last.map(({ dueAt = 0 }) => dueAt - clock)), new Set([dueAfterMs]));
    }
    for (const ms of [9e15, 1e300, Number.POSITIVE_INFINITY]) {
      const task = quietTask();
      const waits = watchWaits(task);
      await attempt(task, (ctx) => ctx.sleep(ms));
      assert.equal(new Date(waits.last[0]?.dueAt ?? 0).toISOString(), '9999-12-31T23:59:59.999Z');
    }
  });

  it('of a time that is none fails its call', async () => {
    for (const ms of [Number.NaN, '5' as never, null as never]) {
      const outcome = await attempt(quietTask(), (ctx) => ctx.sleep(ms));
      assert.ok(outcome.kind === 'failed' && outcome.error.code === 'invalid_argument', String(ms));
    }
  });

  it('for an approval gives the decision and who made it', async () => {
    const task = quietTask();
    const waits = watchWaits(task);
    const body: Body = (ctx) => ctx.approval('refund');
    await attempt(task, body);
    const decision = { approved: false, by: 'ann', comment: 'too much' };
    task.post('decision', waits.last[0]?.key ?? '', decision);
    assert.deepEqual(await resultOf(attempt(task, body)), decision);
  });

  it('for an answer gives the answer and records who gave it', async () => {
    const task = quietTask();
    const waits = watchWaits(task);
    const body: Body = (_, steps) => steps.wait({ kind: 'question', name: 'colour', prompt: 'Which one?' });
    await attempt(task, body);
    task.post('decision', waits.last[0]?.key ?? '', { answer: 'red', by: 'ann' });
    assert.equal(await resultOf(attempt(task, body)), 'red');
    assert.equal(dataOf(task, 'step.completed').by, 'ann');
  });

  it('takes signals one by one, the oldest first, also those from before', async () => {
    const task = quietTask();
    for (const n of [1, 2, 3]) task.post('signal', 'signal:go', n);
    const body: Body = async (ctx) => [await ctx.signal('go'), await ctx.signal('go')];
    assert.deepEqual(await resultOf(attempt(task, body)), [1, 2]);
    assert.equal(task.inbox().length, 1);
  });

  it('whose payload is no JSON fails its call', async () => {
    const outcome = await attempt(quietTask(), (ctx) => ctx.approval('refund', { payload: Number.NaN }));
    assert.ok(outcome.kind === 'failed' && outcome.error.code === 'not_json');
  });
});
