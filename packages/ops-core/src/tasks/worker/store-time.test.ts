import assert from 'node:assert/strict';
import { it, mock } from 'node:test';
import { StoreTime } from './store-time.ts';

const isNear = (a: number, b: number) => Math.abs(a - b) < 5_000;

it('knows the store’s time by what it said, as far as the way of the answer leaves no doubt', () => {
  const time = new StoreTime();
  const now = Date.now();
  assert.ok(isNear(time.now(), now));
  const askedAt = performance.now();
  time.note(now + 60_000, askedAt);
  assert.ok(isNear(time.now(), now + 60_000));
  time.note(now + 30_000, askedAt);
  assert.ok(isNear(time.now(), now + 30_000), 'also when the store’s clock was set back');
  time.note(now + 90_000, askedAt - 3_600_000);
  assert.ok(isNear(time.now(), now + 90_000), 'an answer that was long under way gives bounds');
  time.note(now, askedAt - 3_600_000);
  assert.ok(isNear(time.now(), now + 90_000), 'and what lies between them is kept');
});

it('does not follow the date that somebody sets here, and says that it was set', () => {
  const time = new StoreTime();
  const now = Date.now();
  assert.equal(time.hasJumped(), false);
  const { now: realNow } = Date;
  mock.method(Date, 'now', () => realNow() + 3_600_000);
  assert.ok(isNear(time.now(), now));
  assert.deepEqual([time.hasJumped(), time.hasJumped()], [true, false]);
  mock.restoreAll();
});
