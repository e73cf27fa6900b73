import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Lacking } from './lacking.ts';

const minuteMs = 60_000;

describe('what a worker does not have', () => {
  it('costs nothing until it is met; then it is passed over for a minute, and each time for twice as long', () => {
    const lacking = new Lacking(['function own']);
    assert.equal(lacking.wanted(0), undefined);
    let now = 0;
    for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
      lacking.noticed(now);
      lacking.noticed(now + 1);
      assert.deepEqual(lacking.wanted(now + minutes * minuteMs - 1), ['function own']);
      now += minutes * minuteMs;
      assert.equal(lacking.wanted(now), undefined);
    }
  });

  it('is not looked through all the time when that takes long', () => {
    const lacking = new Lacking([]);
    lacking.looked(20, 100);
    assert.equal(lacking.restMs(100), 0);
    lacking.looked(100, 200);
    assert.deepEqual([lacking.restMs(200), lacking.restMs(700), lacking.restMs(1300)], [1000, 500, 0]);
    lacking.looked(2000, 2000);
    assert.equal(lacking.restMs(2000), 5000);
  });
});
