import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { OpspawnError, type StepContext } from '@opspawn/agentkit';
import { attempt, type Body, dataOf, quietTask, resultOf } from './simulation/attempt.ts';
import { turns } from './simulation/random.ts';

/** Fails in a way that may pass. */
function fail(before?: () => void): never {
  before?.();
  throw new Error('busy');
}

/** Runs a body while time passes in steps of 100 ms; gives the times of the tries by that clock. */
async function triesOf(
  body: (tried: () => void) => Body,
  options = {},
): Promise<{ triedAtMs: number[]; ended: unknown }> {
  const triedAtMs: number[] = [];
  let nowMs = 0;
  const running = attempt(
    quietTask(),
    body(() => triedAtMs.push(nowMs)),
    options,
  );
  let ended: unknown;
  void running.then((outcome) => {
    ended = outcome;
  });
  while (ended === undefined && nowMs < 100_000) {
    await turns(3);
    nowMs += 100;
    mock.timers.tick(100);
  }
  return { triedAtMs, ended };
}

describe('a step', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  it('is tried three times by default, and then fails for good, with the error that was thrown', async () => {
    const { triedAtMs, ended } = await triesOf((tried) => (ctx) => ctx.step('a', () => fail(tried)));
    assert.equal(triedAtMs.length, 3);
    const { kind, error, retryable } = ended as { kind: string; error: object; retryable: boolean };
    assert.deepEqual(
      { kind, error, retryable },
      {
        kind: 'failed',
        error: {
          name: 'StepError',
          code: 'step_failed',
          message: 'busy',
          cause: { name: 'Error', code: 'internal', message: 'busy' },
        },
        retryable: false,
      },
    );
  });

  it('is tried as often as it says, otherwise as its definition says', async () => {
    const body = (retry?: object) => (tried: () => void) => (ctx: Parameters<Body>[0]) =>
      ctx.step('a', () => fail(tried), retry === undefined ? {} : { retry });
    const ofDefinition = { defaultRetry: { maxAttempts: 2 } };
    assert.equal((await triesOf(body(), ofDefinition)).triedAtMs.length, 2);
    assert.equal((await triesOf(body({ maxAttempts: 5 }), ofDefinition)).triedAtMs.length, 5);
  });

  it('with the effect once is tried once', async () => {
    const { triedAtMs } = await triesOf(
      (tried) => (ctx) => ctx.step('a', () => fail(tried), { effect: 'once' }),
      { defaultRetry: { maxAttempts: 9 } },
    );
    assert.equal(triedAtMs.length, 1);
  });

  it('is not tried again after an error that says that it is final', async () => {
    const { triedAtMs } = await triesOf(
      (tried) => (ctx) =>
        ctx.step('a', () => {
          tried();
          throw new OpspawnError('invalid_argument', 'never');
        }),
    );
    assert.equal(triedAtMs.length, 1);
  });

  it('waits as long as the error says', async () => {
    const { triedAtMs } = await triesOf(
      (tried) => (ctx) =>
        ctx.step(
          'a',
          () => {
            tried();
            throw new OpspawnError('rate_limited', 'later', { retryAfterMs: 60_000 });
          },
          { retry: { maxAttempts: 2 } },
        ),
    );
    assert.ok((triedAtMs[1] ?? 0) >= 60_000);
  });

  it('tells watchers when it starts over', async () => {
    const task = quietTask();
    const port = task.claim();
    let tries = 0;
    const flaky = () => (++tries < 2 ? fail() : tries);
    const running = attempt(task, (ctx) => ctx.step('a', flaky, { retry: { initialDelayMs: 0 } }), {}, port);
    await turns(5);
    mock.timers.tick(1);
    assert.equal(await resultOf(running), 2);
    assert.deepEqual(port.events, [{ type: 'step.reset', step: 'a', reason: 'busy' }]);
    assert.equal(dataOf(task, 'step.completed').tries, 2);
  });

  it('is given its time for each try; then its signal fires and what it gives late is ignored', async () => {
    const task = quietTask();
    const signals: AbortSignal[] = [];
    const slow = async ({ signal }: StepContext) => {
      signals.push(signal);
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      return 'late';
    };
    const body: Body = async (ctx) => {
      const step = ctx.step('a', slow, { timeoutMs: 50, retry: { maxAttempts: 2, initialDelayMs: 0 } });
      return await step.catch((error: OpspawnError) => [error.name, error.code]);
    };
    const running = attempt(task, body);
    for (let i = 0; i < 5; i += 1) {
      await turns(4);
      mock.timers.tick(50);
    }
    assert.deepEqual(await resultOf(running), ['StepError', 'timeout']);
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true, true],
    );
  });

  it('gets one idempotency key for all tries of all attempts, and no other call gets it', async () => {
    const task = quietTask();
    const keys: string[] = [];
    const note = ({ idempotencyKey }: StepContext) => void keys.push(idempotencyKey);
    const body: Body = async (ctx) => {
      await ctx.step('a', note);
      await ctx.step('a', note);
      await ctx.map([1], () => ctx.step('a', note));
    };
    await resultOf(attempt(task, body));
    task.journal.length = 0;
    await resultOf(attempt(task, body));
    assert.equal(new Set(keys).size, 3);
    assert.deepEqual(keys.slice(0, 3), keys.slice(3));
    assert.match(keys[0] ?? '', /^task:[0-9a-f]{32}$/);
  });

  it('costs less than 150 bytes beside its value', async () => {
    const task = quietTask();
    task.clock = Date.now();
    await resultOf(attempt(task, (_, steps) => steps.run('a', () => 'value', { kind: 'tool' })));
    assert.ok((task.journal[0]?.data?.length ?? 1_000) < 150 + '"value"'.length);
  });
});
