import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { SlotMap } from './slot-map.ts';

it('holds what a Map would hold, whatever comes and goes', () => {
  const change = fc.record({
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    value: fc.option(fc.nat(), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      const slots = new SlotMap<number>();
      const map = new Map<string, number>();
      for (const { key, value } of changes) {
        for (const either of [slots, map]) {
          if (value === undefined) either.delete(key);
          else either.set(key, value);
        }
        assert.equal(slots.size, map.size);
        assert.equal(slots.get(key), map.get(key));
      }
      assert.deepEqual(slots.values().toSorted(), [...map.values()].toSorted());
    }),
  );
});
