import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, it } from 'node:test';
import type { OpspawnError } from '@opspawn/agentkit';
import { attempt, type Body, dataOf, delay, entriesOf, quietTask, resultOf } from './simulation/attempt.ts';
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
        for (let i = 0; i < 20; i += 1) await Promise.resolve();
        await new Promise<void>((resolve) => process.nextTick(resolve));
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
    let ioMs = 0;
    const seen: string[] = [];
    const body: Body = (ctx) =>
      Promise.all([
        (async () => {
          await delay(ioMs);
          seen.push('x asked');
          return await ctx.step('x', () => 1);
        })(),
        ctx.step('y', () => delay(20)).then(() => seen.push('y handed out')),
      ]);
    await resultOf(attempt(task, body));
    assert.equal(task.journal.at(-1)?.name, 'y');
    const live = seen.splice(0);
    ioMs = 30;
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
});

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
