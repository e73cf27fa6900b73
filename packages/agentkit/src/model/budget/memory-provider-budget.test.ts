import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { fakeClock } from '../../testing/fake-clock.ts';
import { memoryProviderBudget } from './memory-provider-budget.ts';
import type { ProviderCall, ProviderPermit } from './provider-budget.ts';

const clocked = (bounds = {}) => {
  const clock = fakeClock();
  const startedAt = clock.now();
  const budget = memoryProviderBudget({ bounds: { openai: bounds }, clock });
  const admitted: [name: string, afterMs: number][] = [];
  const permits = new Map<string, ProviderPermit>();
  const ask = (name: string, call: Partial<ProviderCall> = {}): Promise<void> =>
    budget
      .admit({
        key: 'openai:1',
        model: 'openai/a',
        tokens: 10,
        signal: new AbortController().signal,
        ...call,
      })
      .then((permit) => {
        admitted.push([name, clock.now() - startedAt]);
        permits.set(name, permit);
      });
  const permit = (name: string): ProviderPermit => permits.get(name) as ProviderPermit;
  /** Moves the time on in small steps, with time for what happens at each. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      await turn();
      clock.advance(500);
    }
    await turn();
  };
  return { clock, ask, permit, pass, admitted };
};

test('no minute holds more requests than the key may send, and they go in the order in which they came', async () => {
  const { ask, pass, admitted } = clocked({ requestsPerMinute: 2 });
  for (const name of ['a', 'b', 'c', 'd', 'e']) void ask(name);
  await pass(130_000);
  assert.deepEqual(admitted, [
    ['a', 0],
    ['b', 0],
    ['c', 60_000],
    ['d', 60_000],
    ['e', 120_000],
  ]);
});

test('tokens are reckoned as estimated and then as used, and a big call is not overtaken for ever', async () => {
  const { ask, permit, pass, admitted } = clocked({ tokensPerMinute: 100 });
  await ask('a', { tokens: 90 });
  void ask('big', { tokens: 5_000 });
  void ask('small', { tokens: 60 });
  await pass(10_000);
  assert.deepEqual(admitted, [['a', 0]]);
  permit('a').accepted({});
  permit('a').settle({ tokens: 0 });
  await turn();
  assert.deepEqual(
    admitted.slice(1),
    [['big', 10_000]],
    'what no minute can hold goes once nothing else counts',
  );
  permit('big').accepted({});
  permit('big').settle({ tokens: 50 });
  await pass(1_000);
  assert.equal(admitted.length, 2);
  await pass(60_000);
  assert.deepEqual(admitted.slice(2), [['small', 70_000]]);
});

test('after a refusal the model is left alone for as long as the provider said, and then asked by one before more', async () => {
  const { ask, permit, pass, admitted } = clocked();
  for (const name of ['a', 'b', 'c', 'd']) void ask(name);
  await turn();
  permit('a').settle({ refused: { retryAfterMs: 30_000 } });
  for (const name of ['e', 'f', 'g', 'h']) void ask(name);
  void ask('other', { model: 'openai/b' });
  await pass(31_000);
  for (const name of ['b', 'c', 'd']) permit(name).settle({});
  await pass(1_000);
  assert.deepEqual(admitted.slice(4), [
    ['other', 0],
    ['e', 31_000],
  ]);
  permit('e').accepted({});
  await turn();
  assert.deepEqual(
    admitted.slice(6).map(([name]) => name),
    ['f', 'g'],
  );
});

test('without a word on how long, pauses grow with every refusal in a row', async () => {
  const { clock, ask, permit, admitted } = clocked();
  for (const [index, waitedMs] of [0, 1_000, 2_000, 4_000].entries()) {
    const before = clock.now();
    await clock.drive(ask(`${index}`));
    assert.equal(clock.now() - before, waitedMs);
    permit(`${index}`).settle({ refused: {} });
  }
  assert.equal(admitted.length, 4);
});

test('what a provider tells in its headers is kept to, and comes back steadily', async () => {
  const { ask, permit, pass, admitted } = clocked();
  await ask('a');
  permit('a').accepted({ requests: { limit: 10, remaining: 1, resetsInMs: 9_000 } });
  for (const name of ['b', 'c', 'd']) void ask(name);
  await pass(3_000);
  assert.deepEqual(admitted.slice(1), [
    ['b', 0],
    ['c', 1_000],
    ['d', 2_000],
  ]);
});

test('whoever waits can be stopped, and holds nobody up', async () => {
  const { ask, pass, admitted } = clocked({ requestsPerMinute: 1 });
  const stop = new AbortController();
  await ask('a');
  const waiting = ask('b', { signal: stop.signal });
  void ask('c');
  stop.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(ask('late', { signal: stop.signal }), /enough/);
  await pass(60_000);
  assert.deepEqual(admitted.at(-1), ['c', 60_000]);
});

test('who would not wait so long is told how long it would be', async () => {
  const { ask } = clocked({ requestsPerMinute: 1 });
  await ask('a');
  await assert.rejects(ask('b', { maxWaitMs: 1_000 }), { code: 'rate_limited', retryAfterMs: 60_000 });
});

test('each key has a budget of its own', async () => {
  const { ask, admitted } = clocked({ requestsPerMinute: 1 });
  await ask('a');
  await ask('b', { key: 'openai:2' });
  await ask('c', { key: 'anthropic:1' });
  assert.equal(admitted.length, 3);
});

test('a call is refused at once where the provider asked for longer than it may wait, and asked again after an hour', async () => {
  const { ask, permit, pass, admitted } = clocked();
  await ask('a');
  permit('a').settle({ refused: { retryAfterMs: 100 * 3_600_000 } });
  const impatient = { maxRetryAfterMs: 600_000 };
  await assert.rejects(ask('b', impatient), { code: 'rate_limited', retryAfterMs: 3_600_000 });
  void ask('c');
  await pass(3_600_000);
  assert.deepEqual(admitted.slice(1), [['c', 3_600_000]]);
});
