import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MemoryItem } from './memory.ts';
import { memoryOfRow, memoryRow } from './memory-row.ts';

const item: MemoryItem = {
  id: 'a',
  text: 'x',
  scope: { namespace: 'n', user: 'u' },
  source: { by: 'test', isFromOutside: false },
  metadata: { a: [1] },
  createdAt: 1,
};

describe('a memory as databases hold it', () => {
  it('is the same again', () => {
    assert.deepEqual(memoryOfRow(memoryRow(item)), item);
  });

  it('says what is wrong with it', () => {
    const invalid = (message: RegExp) => ({ code: 'invalid_argument', message });
    for (const [wrong, message] of [
      [undefined, /The memory is not valid/],
      [{ ...item, id: 5 }, /- id: /],
      [{ ...item, scope: { namespace: 'n', usr: 'u' } }, /- scope\.usr: is not known/],
      [{ ...item, metadata: { a: 1n } }, /- metadata\.a: must be a JSON value/],
    ] as const)
      assert.throws(() => memoryRow(wrong as never), invalid(message));
    const row = memoryRow(item);
    for (const [wrong, message] of [
      [null, /The row of a memory is not valid/],
      [{ ...row, source: 'no JSON' }, /- source: must be JSON/],
      [{ ...row, source: '{}' }, /- source: must be JSON/],
      [{ ...row, metadata: '[1]' }, /- metadata: must be JSON/],
      [{ ...row, created_at: '1' }, /- created_at: /],
    ] as const)
      assert.throws(() => memoryOfRow(wrong as never), invalid(message));
  });
});
