import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OpspawnError } from '@opspawn/agentkit';
import { attempt, type Body, entriesOf, quietTask, resultOf } from './simulation/attempt.ts';
import { turns } from './simulation/random.ts';
import type { SimulatedTask } from './simulation/simulated-task.ts';

/** Ends the task's ownership right after the n-th entry was committed. */
function crashAfterEntry(task: SimulatedTask, seq: number): void {
  const { commit } = task;
  task.commit = (...args) => {
    commit.apply(task, args);
    if (task.journal.length >= seq) {
      task.commit = commit;
      task.die();
    }
  };
}

describe('rule 1: one committed result, in journal order, then one macrotask', () => {
  it('what a result sets off runs to its end before the next one is handed out, live and on replay', async () => {
    const task = quietTask();
    const body: Body = async (ctx) => {
      const seen: string[] = [];
      const follow = async (name: string) => {
        await ctx.step(name, () => turns(1));
        seen.push(name);
        for (let i = 0; i < 5; i += 1) {
          for (let k = 0; k < 5; k += 1) await Promise.resolve();
          await new Promise<void>((resolve) => process.nextTick(resolve));
        }
        seen.push(`${name} done`);
      };
      await Promise.all(['a', 'b', 'c'].map(follow));
      return seen;
    };
    const inOrder = ['a', 'a done', 'b', 'b done', 'c', 'c done'];
    assert.deepEqual(await resultOf(attempt(task, body)), inOrder);
    assert.deepEqual(await resultOf(attempt(task, body)), inOrder);
  });

  it('a result is handed out only after its commit', async () => {
    const task = quietTask();
    const body: Body = async (ctx) => {
      await ctx.step('a', () => 1);
      return task.journal.length;
    };
    assert.equal(await resultOf(attempt(task, body)), 1);
  });
});

describe('rule 2: in replay nothing unrecorded starts before the last recorded result is handed out', () => {
  it('a step that the crash left unrecorded waits for the results behind it', async () => {
    const task = quietTask();
    const seen: string[] = [];
    const body: Body = (ctx) =>
      Promise.all([
        ctx.step('a', () => 'a').then(() => ctx.step('c', () => seen.push('c runs'))),
        ctx.step('b', () => 'b').then(() => seen.push('b handed out')),
      ]);
    crashAfterEntry(task, 2);
    assert.equal((await attempt(task, body)).kind, 'lost');
    assert.deepEqual(entriesOf(task), ['step.completed a', 'step.completed b']);
    seen.length = 0;
    await resultOf(attempt(task, body));
    assert.deepEqual(seen, ['b handed out', 'c runs']);
  });
});

describe('rule 3: a result is handed out when all that was asked before it is asked again', () => {
  it('I/O of the function that is slower on replay changes no order', async () => {
    const task = quietTask();
    let ioTurns = 0;
    const seen: string[] = [];
    const body: Body = (ctx) =>
      Promise.all([
        (async () => {
          await turns(ioTurns);
          seen.push('x asked');
          return await ctx.step('x', () => turns(40).then(() => 1));
        })(),
        ctx.step('y', () => turns(20)).then(() => seen.push('y handed out')),
      ]);
    await resultOf(attempt(task, body));
    assert.deepEqual(entriesOf(task), ['step.completed y', 'step.completed x']);
    const live = seen.splice(0);
    ioTurns = 30;
    await resultOf(attempt(task, body));
    assert.deepEqual(seen, live);
  });

  it('every entry of a call says after how many results it was asked for', async () => {
    const task = quietTask();
    await resultOf(
      attempt(task, async (ctx) => {
        await ctx.step('a', () => 1);
        await Promise.all([ctx.step('b', () => 2), ctx.step('c', () => 3, { effect: 'once' })]);
        await ctx.step('d', () => 4);
      }),
    );
    const asked = task.journal.map(({ type, name, asked }) => `${type} ${name} ${asked}`);
    assert.deepEqual(asked.sort(), [
      'step.completed a 0',
      'step.completed b 1',
      'step.completed c 1',
      'step.completed d 3',
      'step.intended c 1',
    ]);
  });
});

describe('rule 4: a request that the journal holds and the code does not make is non_determinism', () => {
  const recorded = async (body: Body): Promise<SimulatedTask> => {
    const task = quietTask();
    await attempt(task, body);
    return task;
  };
  const pausedOn = async (task: SimulatedTask, body: Body, graceMs = 20) => {
    const outcome = await attempt(task, body, { graceMs });
    assert.equal(outcome.kind, 'paused');
    assert.ok(outcome.kind === 'paused' && outcome.reason === 'non_determinism');
    return outcome.details as { message: string; journal: object; code: object };
  };

  it('both sides are named after the grace', async () => {
    const task = await recorded((ctx) => ctx.step('load', () => 1));
    const { journal, code } = await pausedOn(task, (ctx) => ctx.step('fetch', () => 1));
    assert.deepEqual(journal, { kind: 'step', step: 'load', seq: 1 });
    assert.deepEqual(code, { kind: 'step', step: 'fetch' });
  });

  it('a renamed step is not run', async () => {
    const task = await recorded((ctx) => ctx.step('load', () => 1));
    let ran = false;
    await pausedOn(task, (ctx) => ctx.step('fetch', () => (ran = true)));
    assert.equal(ran, false);
  });

  it('a function that returns or throws early is found out at once', async () => {
    const task = await recorded((ctx) => ctx.step('load', () => 1));
    const forever = 1e8;
    assert.deepEqual((await pausedOn(task, () => 1, forever)).code, { does: 'returns' });
    const throws: Body = () => {
      throw new Error('broken');
    };
    assert.deepEqual((await pausedOn(task, throws, forever)).code, { does: 'throws Error: broken' });
  });

  it('another kind or another effect under the same name is found out at once', async () => {
    const forever = 1e8;
    const step = await recorded((ctx) => ctx.step('load', () => 1));
    await pausedOn(step, (_, steps) => steps.run('load', () => 1, { kind: 'llm' }), forever);
    const { message } = await pausedOn(step, (ctx) => ctx.step('load', () => 1, { effect: 'once' }), forever);
    assert.equal(
      message,
      'The journal holds step "load" (seq 1), the code asks for step "load" with effect once',
    );
    const once = await recorded((ctx) => ctx.step('pay', () => 1, { effect: 'once' }));
    await pausedOn(once, (ctx) => ctx.step('pay', () => 1), forever);
  });

  it('intents and opened waits count like results', async () => {
    const intent = quietTask();
    crashAfterEntry(intent, 1);
    await attempt(intent, (ctx) => ctx.step('pay', () => 1, { effect: 'once' }));
    assert.deepEqual(entriesOf(intent), ['step.intended pay']);
    await pausedOn(intent, (ctx) => ctx.step('pay v2', () => 1, { effect: 'once' }));
    const wait = await recorded((ctx) => ctx.signal('go'));
    await pausedOn(wait, (ctx) => ctx.signal('went'));
  });

  it('the mended function goes on', async () => {
    const task = await recorded((ctx) => ctx.step('load', () => 1));
    await pausedOn(task, () => 1);
    assert.equal(await resultOf(attempt(task, (ctx) => ctx.step('load', () => 2))), 1);
  });
});

describe('rule 5: what comes from outside enters after all earlier entries, the earlier first', () => {
  it('a signal that comes while a step is being committed is journaled behind it', async () => {
    const task = quietTask();
    const { append } = task;
    task.append = async (...args) => {
      if (task.journal.length === 1) task.post('signal', 'signal:go', 'now');
      return await append.apply(task, args);
    };
    const body: Body = (ctx) => Promise.all([ctx.signal('go'), ctx.step('a', () => turns(2).then(() => 1))]);
    await resultOf(attempt(task, body));
    assert.deepEqual(entriesOf(task), [
      'wait.opened signal:go',
      'step.completed a',
      'step.completed signal:go',
    ]);
  });

  it('a signal that comes while the step that decides a race is being committed is left for later', async () => {
    const task = quietTask();
    const { append } = task;
    task.append = async (...args) => {
      if (args[1].some(({ name }) => name === 'a')) task.post('signal', 'signal:go', 'now');
      return await append.apply(task, args);
    };
    const body: Body = (ctx) =>
      ctx.race([() => ctx.signal('go'), () => ctx.step('a', () => turns(2).then(() => 'a'))]);
    assert.equal(await resultOf(attempt(task, body)), 'a');
    assert.equal(task.inbox().length, 1);
  });

  const waitUntil10: Body = async (ctx) => {
    try {
      return await ctx.signal('go', { timeoutMs: 10 });
    } catch (error) {
      return (error as OpspawnError).code;
    }
  };

  it('a signal from before the due time wins, however late both are seen', async () => {
    const task = quietTask();
    assert.equal((await attempt(task, waitUntil10)).kind, 'suspended');
    task.clock += 5;
    task.post('signal', 'signal:go', 'in time');
    task.clock += 1_000;
    assert.equal(await resultOf(attempt(task, waitUntil10)), 'in time');
  });

  it('a signal from after the due time loses and stays in the inbox', async () => {
    const task = quietTask();
    assert.equal((await attempt(task, waitUntil10)).kind, 'suspended');
    task.clock += 50;
    task.post('signal', 'signal:go', 'too late');
    assert.equal(await resultOf(attempt(task, waitUntil10)), 'timeout');
    assert.equal(task.inbox().length, 1);
    assert.equal(await resultOf(attempt(task, waitUntil10)), 'timeout');
  });

  it('a signal from after the due time loses also where the clock is behind the store', async () => {
    const task = quietTask();
    const { clock } = task;
    await attempt(task, waitUntil10);
    task.clock += 50;
    task.post('signal', 'signal:go', 'too late');
    const port = Object.assign(task.claim(), { now: () => clock + 9 });
    assert.equal(await resultOf(attempt(task, waitUntil10, {}, port)), 'timeout');
    assert.equal(task.inbox().length, 1);
  });
});
