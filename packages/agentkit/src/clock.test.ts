import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from './clock.ts';

it('a timer of months does not fire at once, and can be taken back', async () => {
  let fired = false;
  const cancel = systemClock.after(2 ** 31, () => {
    fired = true;
  });
  await sleep(20);
  cancel();
  assert.equal(fired, false);
});

it('a timer fires once', async () => {
  const fired = await new Promise((resolve) => systemClock.after(1, () => resolve('once')));
  assert.equal(fired, 'once');
});
