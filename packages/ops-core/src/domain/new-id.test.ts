import assert from 'node:assert/strict';
import { it } from 'node:test';
import { newId } from './new-id.ts';

it('gives UUIDs of version 7 with the time, in the order in which they are asked for', () => {
  const before = Date.now();
  const ids = Array.from({ length: 20_000 }, newId);
  assert.ok(
    ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)),
  );
  assert.deepEqual(ids, ids.toSorted());
  assert.equal(new Set(ids).size, ids.length);
  const time = Number.parseInt((ids[0] ?? '').replace('-', '').slice(0, 12), 16);
  assert.ok(time >= before && time <= Date.now());
});
