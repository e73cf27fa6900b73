import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import type { OpspawnError, StepOptions } from '@opspawn/agentkit';
import { identityHash } from './identity.ts';
import { attempt, type Body, dataOf, entriesOf, quietTask, resultOf } from './simulation/attempt.ts';
import { turns } from './simulation/random.ts';
import type { SimulatedTask } from './simulation/simulated-task.ts';

const hash = identityHash({ branch: '', name: 'pay', count: 1 });

interface Payment {
  task: SimulatedTask;
  /** How often the effect was had. */
  count: () => number;
  body: Body;
}

/** A function that pays once; its first attempt dies between the effect and its record, and may hear of it too late. */
async function paymentInDoubt(options: StepOptions<string> = {}, isHeardLate = false): Promise<Payment> {
  const task = quietTask();
  let count = 0;
  const body: Body = (ctx) => {
    const pay = async () => {
      count += 1;
      if (count === 1) await (isHeardLate ? turns(50) : new Promise<never>(() => {}));
      return `paid ${count}`;
    };
    const paid = ctx.step('pay', pay, { effect: 'once', intent: { cents: 500 }, ...options });
    return paid.catch((error: OpspawnError) => [error.name, error.code, error.message]);
  };
  const port = task.claim();
  const first = attempt(task, body, {}, port);
  await turns(20);
  port.stop();
  assert.equal((await first).kind, 'stopped');
  assert.deepEqual(entriesOf(task), ['step.intended pay']);
  return { task, count: () => count, body };
}

const suspended = async (payment: Payment): Promise<void> =>
  assert.equal((await attempt(payment.task, payment.body)).kind, 'suspended');

describe('an effect in doubt', () => {
  it('is not repeated: a person is asked, once, and sees the intent', async () => {
    const payment = await paymentInDoubt();
    const { task } = payment;
    let waits: unknown;
    const { suspend } = task;
    task.suspend = (number, open) => {
      waits = open;
      return suspend.call(task, number, open);
    };
    await suspended(payment);
    await suspended(payment);
    assert.equal(payment.count(), 1);
    assert.deepEqual(entriesOf(task), ['step.intended pay', 'wait.opened pay']);
    const data = JSON.stringify({ intent: { cents: 500 } });
    assert.deepEqual(waits, [
      { step: 'pay', hash, kind: 'doubt', name: 'pay', key: `decision:${hash}`, data },
    ]);
  });

  it('is tried again when a person says so, and the journal names who did', async () => {
    const payment = await paymentInDoubt();
    await suspended(payment);
    payment.task.post('decision', `decision:${hash}`, { action: 'retry', by: 'ann' });
    assert.equal(await resultOf(attempt(payment.task, payment.body)), 'paid 2');
    assert.deepEqual(dataOf(payment.task, 'doubt.resolved'), { action: 'retry', by: 'ann' });
    assert.equal(await resultOf(attempt(payment.task, payment.body)), 'paid 2');
  });

  it('gets the result that a person gives', async () => {
    const payment = await paymentInDoubt();
    await suspended(payment);
    payment.task.post('decision', `decision:${hash}`, { action: 'result', result: 'by hand', by: 'ann' });
    assert.equal(await resultOf(attempt(payment.task, payment.body)), 'by hand');
    assert.equal(payment.count(), 1);
  });

  it('fails when a person says so, the same on every replay', async () => {
    const payment = await paymentInDoubt();
    await suspended(payment);
    payment.task.post('decision', `decision:${hash}`, { action: 'fail', message: 'it was not', by: 'ann' });
    const failure = ['StepError', 'effect_in_doubt', 'it was not'];
    assert.deepEqual(await resultOf(attempt(payment.task, payment.body)), failure);
    assert.deepEqual(await resultOf(attempt(payment.task, payment.body)), failure);
  });

  it('is in doubt again when the retry crashed too, and an old word does not count for it', async () => {
    const payment = await paymentInDoubt();
    await suspended(payment);
    for (let i = 0; i < 2; i += 1) {
      payment.task.post('decision', `decision:${hash}`, { action: 'retry', by: 'ann' });
    }
    const { commit } = payment.task;
    payment.task.commit = (...args) => {
      commit.apply(payment.task, args);
      payment.task.commit = commit;
      payment.task.die();
    };
    assert.equal((await attempt(payment.task, payment.body)).kind, 'lost');
    await suspended(payment);
    assert.equal(payment.task.inbox().length, 0);
    assert.deepEqual(entriesOf(payment.task), [
      'step.intended pay',
      'wait.opened pay',
      'doubt.resolved pay',
      'wait.opened pay',
    ]);
  });

  it('leaves the wait open for a word that cannot be read', async () => {
    const payment = await paymentInDoubt();
    await suspended(payment);
    payment.task.post('decision', `decision:${hash}`, { action: 'perhaps', by: 'ann' });
    await suspended(payment);
    assert.equal(dataOf(payment.task, 'log').level, 'warn');
  });
});

describe('a probe', () => {
  it('that finds the effect done gives its result, recorded', async () => {
    const payment = await paymentInDoubt({
      reconcile: async () => ({ outcome: 'done', result: 'seen at the bank' }),
    });
    assert.equal(await resultOf(attempt(payment.task, payment.body)), 'seen at the bank');
    assert.equal(payment.count(), 1);
    assert.equal(dataOf(payment.task, 'doubt.resolved').by, 'probe');
  });

  it('that finds it not done lets it run, under the same idempotency key', async () => {
    let key = '';
    const payment = await paymentInDoubt({
      reconcile: async ({ idempotencyKey }) => {
        key = idempotencyKey;
        return { outcome: 'not_done' };
      },
    });
    assert.equal(await resultOf(attempt(payment.task, payment.body)), 'paid 2');
    assert.equal(key, `task:${hash}`);
  });

  for (const [what, reconcile] of Object.entries({
    'that does not know': async () => ({ outcome: 'unknown' }) as const,
    'that fails': async () => {
      throw new Error('the bank is closed');
    },
  })) {
    it(`${what} leaves it to a person`, async () => {
      const payment = await paymentInDoubt({ reconcile });
      await suspended(payment);
      assert.equal(payment.count(), 1);
    });
  }
});

describe('a policy', () => {
  it('of retry runs it again', async () => {
    const payment = await paymentInDoubt({ onUnknown: 'retry' });
    assert.equal(await resultOf(attempt(payment.task, payment.body)), 'paid 2');
    assert.deepEqual(dataOf(payment.task, 'doubt.resolved'), { action: 'retry', by: 'policy' });
  });

  it('of fail fails the step', async () => {
    const payment = await paymentInDoubt({ onUnknown: 'fail' });
    const [name, code] = (await resultOf(attempt(payment.task, payment.body))) as string[];
    assert.deepEqual([name, code], ['StepError', 'effect_in_doubt']);
    assert.equal(payment.count(), 1);
  });
});

describe('evidence', () => {
  it('is what a superseded attempt reports too late; it is journaled and shown, and decides nothing', async () => {
    const payment = await paymentInDoubt({}, true);
    const { task } = payment;
    await turns(60);
    const [item] = task.inbox();
    assert.equal(item?.key, `evidence:${hash}`);
    assert.deepEqual(JSON.parse(item?.data ?? ''), { attempt: 1, ok: true, value: 'paid 1' });
    let shown = '';
    const { suspend } = task;
    task.suspend = (number, open) => {
      shown = open[0]?.data ?? '';
      return suspend.call(task, number, open);
    };
    await suspended(payment);
    assert.equal(payment.count(), 1);
    const evidence = [{ attempt: 1, ok: true, value: 'paid 1' }];
    assert.deepEqual(JSON.parse(shown), { intent: { cents: 500 }, evidence });
    assert.equal(task.inbox().length, 0);
    await suspended(payment);
    assert.deepEqual(JSON.parse(shown), { intent: { cents: 500 }, evidence });
  });
});

describe('before an effect that must not be repeated', () => {
  it('its intent is committed, each parallel one on its own', async () => {
    const task = quietTask();
    const seen: string[][] = [];
    const body: Body = (ctx) =>
      Promise.all(
        ['a', 'b'].map((name) => ctx.step(name, () => seen.push(entriesOf(task)), { effect: 'once' })),
      );
    await resultOf(attempt(task, body));
    assert.deepEqual(seen, [
      ['step.intended a', 'step.intended b'],
      ['step.intended a', 'step.intended b'],
    ]);
  });

  it('the lease must surely hold', async () => {
    const task = quietTask();
    let ran = false;
    const port = Object.assign(task.claim(), { holdsLease: () => false });
    const body: Body = (ctx) => ctx.step('pay', () => (ran = true), { effect: 'once' });
    const outcome = await attempt(task, body, {}, port);
    assert.ok(outcome.kind === 'lost' && outcome.error.code === 'lease_lost');
    assert.deepEqual([ran, entriesOf(task)], [false, ['step.intended pay']]);
  });

  it('a loser that was not begun is recorded as such and is in no doubt', async () => {
    const task = quietTask();
    let ran = false;
    const body: Body = (ctx) =>
      ctx.race([
        () => ctx.step('quick', () => 1),
        () => ctx.step('pay', () => (ran = true), { effect: 'once' }),
      ]);
    const { append } = task;
    task.append = async (...args) => {
      if (args[1].some(({ type }) => type === 'step.intended')) await turns(10);
      return await append.apply(task, args);
    };
    // The intent is under way when the other branch decides.
    await resultOf(attempt(task, body));
    assert.equal(ran, false);
    assert.equal(entriesOf(task).at(-1), 'step.failed race1.1/pay');
  });
});

describe('an effect that must not be repeated and whose time ran out', () => {
  before(() => mock.timers.enable({ apis: ['setTimeout'] }));
  after(() => mock.timers.reset());

  /** Pays once, and the bank does not answer. */
  const unansweredPayment = (options: StepOptions<string> = {}) => {
    const task = quietTask();
    const payment: Payment = { task, count: () => count, body };
    let count = 0;
    function body(ctx: Parameters<Body>[0]) {
      const pay = () => {
        count += 1;
        return count === 1 ? new Promise<string>(() => {}) : `paid ${count}`;
      };
      const paid = ctx.step('pay', pay, { effect: 'once', intent: { cents: 5 }, timeoutMs: 50, ...options });
      return paid.catch((error: OpspawnError) => [error.name, error.code]);
    }
    return payment;
  };
  const untilTimeout = async ({ task, body }: Payment) => {
    const running = attempt(task, body);
    await turns(20);
    mock.timers.tick(50);
    return await running;
  };

  it('is in doubt: a person is asked, and it is not taken for "did not happen"', async () => {
    const payment = unansweredPayment();
    assert.equal((await untilTimeout(payment)).kind, 'suspended');
    assert.deepEqual(entriesOf(payment.task), ['step.intended pay', 'wait.opened pay']);
    assert.equal(payment.task.inbox().length, 0, 'that it timed out is no evidence');
    payment.task.post('decision', `decision:${hash}`, { action: 'result', result: 'by hand', by: 'ann' });
    assert.equal(await resultOf(attempt(payment.task, payment.body)), 'by hand');
    assert.equal(payment.count(), 1);
  });

  it('is asked about again when its time runs out once more', async () => {
    const payment = unansweredPayment();
    await untilTimeout(payment);
    payment.task.post('decision', `decision:${hash}`, { action: 'retry', by: 'ann' });
    const again = { ...payment, body: hangingAgain(payment.body) };
    assert.equal((await untilTimeout(again)).kind, 'suspended');
    assert.deepEqual(entriesOf(payment.task).slice(2), ['doubt.resolved pay', 'wait.opened pay']);
  });

  it('is what its probe says, or its policy', async () => {
    const probed = unansweredPayment({ reconcile: async () => ({ outcome: 'done', result: 'found' }) });
    assert.equal(await resultOf(untilTimeout(probed)), 'found');
    const failing = unansweredPayment({ onUnknown: 'fail' });
    assert.deepEqual(await resultOf(untilTimeout(failing)), ['StepError', 'effect_in_doubt']);
    assert.deepEqual([probed.count(), failing.count()], [1, 1]);
  });
});

/** The same function, whose bank does not answer a second time either. */
const hangingAgain =
  (body: Body): Body =>
  (ctx, steps) => {
    const step: typeof ctx.step = (name, _fn, options) =>
      ctx.step(name, () => new Promise<never>(() => {}), options as object);
    return body({ ...ctx, step }, steps);
  };
