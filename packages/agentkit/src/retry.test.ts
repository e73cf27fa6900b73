import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OpspawnError } from './errors.ts';
import { defaultRetry, retryDelayMs } from './retry.ts';

const yearMs = 365 * 24 * 3_600_000;
const asking = (retryAfterMs: number) => new OpspawnError('unavailable', 'later', { retryAfterMs });

describe('the time until the next try', () => {
  it('grows from try to try up to its bound, and ends with the last one', () => {
    for (let time = 0; time < 100; time += 1) {
      assert.ok((retryDelayMs(defaultRetry, 1, new Error('no')) ?? Infinity) <= 500);
      assert.ok(
        (retryDelayMs({ ...defaultRetry, maxAttempts: 99 }, 50, new Error('no')) ?? Infinity) <= 30_000,
      );
    }
    assert.equal(retryDelayMs(defaultRetry, 3, new Error('no')), undefined);
    assert.equal(retryDelayMs(defaultRetry, 1, new OpspawnError('invalid_argument', 'no')), undefined);
  });

  it('is what the error asks for when that is longer, and always one that a clock can tell', () => {
    assert.equal(retryDelayMs(defaultRetry, 1, asking(60_000)), 60_000);
    assert.ok((retryDelayMs(defaultRetry, 1, asking(Number.NaN)) ?? Infinity) <= 500);
    assert.equal(retryDelayMs(defaultRetry, 1, asking(Number.POSITIVE_INFINITY)), yearMs);
    const endless = { ...defaultRetry, maxAttempts: 999, factor: 100, maxDelayMs: Number.MAX_SAFE_INTEGER };
    for (let time = 0; time < 100; time += 1)
      assert.ok((retryDelayMs(endless, 500, new Error('no')) ?? Infinity) <= yearMs);
    assert.equal(retryDelayMs({ ...endless, initialDelayMs: 0 }, 500, new Error('no')), 0);
  });
});
