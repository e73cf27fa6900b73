import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { BudgetExceededError, OpspawnError, StepError } from './errors.ts';
import { memoryBudget } from './memory-budget.ts';
import { memorySteps } from './memory-steps.ts';
import { fakeClock } from './testing.ts';

const isPending = async (promise: Promise<unknown>): Promise<boolean> => {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  promise.then(settle, settle);
  for (let n = 0; n < 5; n += 1) await turn();
  return !settled;
};

describe('a step', () => {
  it('is recorded with its identity, kind, outcome and times', async () => {
    const clock = fakeClock(1000);
    const steps = memorySteps({ clock });
    await steps.run('load', () => clock.advance(5), { kind: 'tool' });
    await steps.run('load', () => 7);
    assert.deepEqual(steps.history(), [
      {
        ...{ seq: 1, branch: '', name: 'load', count: 1, kind: 'tool' },
        ...{ outcome: { ok: true, value: undefined }, startedAt: 1000, finishedAt: 1005 },
      },
      {
        ...{ seq: 2, branch: '', name: 'load', count: 2, kind: 'step' },
        ...{ outcome: { ok: true, value: 7 }, startedAt: 1005, finishedAt: 1005 },
      },
    ]);
    assert.equal(steps.now(), 1005);
  });

  it('is tried again after passing failures, with a delay that grows and obeys Retry-After', async () => {
    const clock = fakeClock();
    const startedAt = clock.now();
    const steps = memorySteps({ clock });
    const tries: number[] = [];
    const value = await clock.drive(
      steps.run('flaky', ({ tryNumber }) => {
        tries.push(tryNumber);
        if (tryNumber === 1) throw new OpspawnError('unavailable', 'later', { retryAfterMs: 5000 });
        if (tryNumber === 2) throw new Error('again');
        return 'done';
      }),
    );
    assert.equal(value, 'done');
    assert.deepEqual(tries, [1, 2, 3]);
    assert.ok(clock.now() - startedAt >= 5000 && clock.now() - startedAt <= 6000);
  });

  it('fails with a StepError that keeps code and cause, at once when trying again cannot help', async () => {
    const steps = memorySteps();
    const cause = new OpspawnError('not_found', 'nothing there', { details: { id: 1 } });
    let tries = 0;
    const run = steps.run('load', () => {
      tries += 1;
      throw cause;
    });
    await assert.rejects(run, (thrown) => {
      assert.ok(thrown instanceof StepError);
      assert.deepEqual(
        [thrown.step, thrown.code, thrown.message, thrown.details, thrown.cause],
        ['load', 'not_found', 'nothing there', { id: 1 }, cause],
      );
      return true;
    });
    assert.equal(tries, 1);
    assert.equal(steps.history()[0]?.outcome.ok, false);
  });

  it('with effect once is tried once', async () => {
    let tries = 0;
    const fail = (): never => {
      tries += 1;
      throw new Error('passing');
    };
    await assert.rejects(memorySteps().run('pay', fail, { effect: 'once' }));
    assert.equal(tries, 1);
  });

  it('that takes too long is aborted and fails with timeout, whether its code stops or not', async () => {
    const clock = fakeClock();
    const steps = memorySteps({ clock });
    let reason: unknown;
    const run = steps.run(
      'slow',
      ({ signal }) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason;
        });
        return new Promise<never>(() => {});
      },
      { timeoutMs: 50, retry: { maxAttempts: 1 } },
    );
    await assert.rejects(clock.drive(run), { code: 'timeout', message: 'slow timed out' });
    assert.ok(reason instanceof OpspawnError && reason.code === 'timeout');
  });

  it('that gives what JSON cannot hold fails', async () => {
    await assert.rejects(
      memorySteps().run('date', () => ({ at: new Date() })),
      { code: 'not_json', message: /the result of date\.at is a Date/ },
    );
  });

  it('within a step is refused, also behind an await', async () => {
    const steps = memorySteps({ retry: { maxAttempts: 1 } });
    const nested = steps.run('outer', async () => {
      await turn();
      return steps.run('inner', () => 1);
    });
    await assert.rejects(nested, { code: 'nested_step' });
    assert.equal(await steps.run('after', () => 2), 2);
  });

  it('has an idempotency key that is the same for every try and for no other step', async () => {
    const keys: string[] = [];
    const steps = memorySteps({ taskId: 'task', retry: { initialDelayMs: 0 } });
    const note = ({ idempotencyKey, tryNumber }: { idempotencyKey: string; tryNumber: number }): void => {
      keys.push(idempotencyKey);
      if (tryNumber === 1) throw new Error('once more');
    };
    await steps.run('a', note);
    await steps.run('a', note);
    await steps.run('b', note);
    assert.deepEqual([keys[0], keys[2], keys[4]], [keys[1], keys[3], keys[5]]);
    assert.equal(new Set(keys).size, 3);
    assert.match(keys[0] ?? '', /^task:./);
  });

  it('rejects with the reason when the run is stopped, and is not recorded', async () => {
    const stopping = new AbortController();
    const steps = memorySteps({ signal: stopping.signal });
    const run = steps.run('slow', () => new Promise<never>(() => {}));
    stopping.abort(new OpspawnError('lease_lost', 'another worker has it'));
    await assert.rejects(run, { code: 'lease_lost' });
    await assert.rejects(
      steps.run('next', () => 1),
      { code: 'lease_lost' },
    );
    assert.deepEqual(steps.history(), []);
  });
});

describe('a wait', () => {
  it('sleeps by the clock', async () => {
    const clock = fakeClock();
    const startedAt = clock.now();
    await clock.drive(memorySteps({ clock }).wait({ kind: 'sleep', ms: 90 * 86_400_000 }));
    assert.equal(clock.now() - startedAt, 90 * 86_400_000);
  });

  it('gets signals in the order they were sent, before and after it began', async () => {
    const steps = memorySteps();
    steps.send('go', 1);
    steps.send('go', 2);
    const waits = [1, 2, 3].map(() => steps.wait({ kind: 'signal', name: 'go' }));
    steps.send('stop', 9);
    steps.send('go', 3);
    assert.deepEqual(await Promise.all(waits), [1, 2, 3]);
  });

  it('for a signal times out, and the signal waits for the next one', async () => {
    const clock = fakeClock();
    const steps = memorySteps({ clock });
    const late = steps.wait({ kind: 'signal', name: 'go', timeoutMs: 10 });
    await assert.rejects(clock.drive(late), { code: 'timeout' });
    steps.send('go', 'kept');
    assert.equal(await steps.wait({ kind: 'signal', name: 'go' }), 'kept');
  });

  it('asks the handlers, and says which one is missing', async () => {
    const steps = memorySteps({
      onApproval: ({ name }) => ({ approved: name === 'pay', by: 'Ada' }),
      onQuestion: ({ prompt }) => `${prompt} 42`,
      onChild: async ({ name, input }) => [name, input ?? null],
    });
    assert.deepEqual(await steps.wait({ kind: 'approval', name: 'pay' }), { approved: true, by: 'Ada' });
    assert.equal(await steps.wait({ kind: 'question', name: 'q', prompt: 'How many?' }), 'How many? 42');
    assert.deepEqual(await steps.child({ kind: 'agent', name: 'helper', input: 1 }), ['helper', 1]);
    const odd = memorySteps({ onQuestion: () => 10n as never });
    await assert.rejects(odd.wait({ kind: 'question', name: 'q', prompt: 'How many?' }), {
      code: 'not_json',
      message: /the answer to q is a bigint/,
    });
    const mute = memorySteps();
    await assert.rejects(mute.wait({ kind: 'approval', name: 'x' }), { details: { option: 'onApproval' } });
    await assert.rejects(mute.wait({ kind: 'question', name: 'x', prompt: '' }), {
      details: { option: 'onQuestion' },
    });
    await assert.rejects(mute.child({ kind: 'agent', name: 'x' }), { details: { option: 'onChild' } });
  });
});

describe('branches', () => {
  it('count their steps apart, at any depth', async () => {
    const steps = memorySteps();
    const set = steps.branch('map', 2);
    await Promise.all(
      [0, 1].map((index) =>
        set.run(index, async () => {
          await turn();
          await steps.run('load', () => index);
          const inner = steps.branch('all', 1);
          await inner.run(0, () => steps.run('load', () => index));
        }),
      ),
    );
    await steps.run('load', () => 2);
    assert.deepEqual(
      steps
        .history()
        .map(({ branch, name, count }) => `${branch} ${name} ${count}`)
        .sort(),
      [' load 1', '/map#1/0 load 1', '/map#1/0/all#1/0 load 1', '/map#1/1 load 1', '/map#1/1/all#1/0 load 1'],
    );
  });

  it('that are closed are aborted, record nothing and never go on', async () => {
    const steps = memorySteps();
    const race = steps.branch('race', 2);
    let wentOn = false;
    let wasAborted = false;
    const loser = race.run(0, async () => {
      await steps.run('slow', async ({ signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        wasAborted = signal.aborted;
      });
      wentOn = true;
    });
    const waiter = race.run(1, () => steps.wait({ kind: 'signal', name: 'go' }));
    assert.equal(await steps.run('quick', () => 1), 1);
    race.close();
    assert.ok(await isPending(Promise.any([loser, waiter, race.run(0, () => steps.run('late', () => 1))])));
    assert.deepEqual([wentOn, wasAborted], [false, true]);
    assert.deepEqual(
      steps.history().map(({ name }) => name),
      ['quick'],
    );
    steps.send('go', 'for the next one');
    assert.equal(await steps.wait({ kind: 'signal', name: 'go' }), 'for the next one');
  });

  it('close with the branch around them', async () => {
    const steps = memorySteps();
    const outer = steps.branch('race', 1);
    const inner = outer.run(0, () =>
      steps.branch('all', 1).run(0, () => steps.wait({ kind: 'sleep', ms: 1e9 })),
    );
    outer.close();
    assert.ok(await isPending(inner));
  });
});

describe('a budget of this process', () => {
  it('holds what is reserved, replaces it by what was used, and refuses more than is left', async () => {
    const { budget } = memorySteps({ budget: { tokens: 100 } });
    await budget.reserve('a', { tokens: 60 });
    await budget.reserve('a', { tokens: 70 });
    await budget.settle('a', { tokens: 70 });
    await assert.rejects(budget.reserve('b', { tokens: 40 }), (thrown) => {
      assert.ok(thrown instanceof BudgetExceededError);
      assert.deepEqual(thrown.details, { limit: 'tokens', allowed: 100, used: 70, asked: 40 });
      return true;
    });
    await budget.settle('a', { tokens: 10 });
    await budget.reserve('b', { tokens: 90 });
  });

  it('lets a reservation wait that would fit but for those of others, until they are settled or released', async () => {
    const budget = memoryBudget({ tokens: 100 });
    const [one, two] = [budget.share('one'), budget.share('two')];
    await one.reserve('model:1', { tokens: 80 });
    const waiting = two.reserve('model:1', { tokens: 60 });
    assert.ok(await isPending(waiting));
    await one.settle('model:1', { tokens: 40 });
    await waiting;
    assert.deepEqual(budget.remaining(), { tokens: 60 });
    const again = one.reserve('model:2', { tokens: 60 });
    assert.ok(await isPending(again));
    two.release();
    await again;
  });
});
