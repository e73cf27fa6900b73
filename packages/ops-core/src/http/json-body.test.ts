import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpspawnError } from '@opspawn/sdk';
import fc from 'fast-check';
import { parseJsonBody } from './json-body.ts';

const isInvalid = (error: unknown) => error instanceof OpspawnError && error.code === 'invalid_argument';

test('every JSON value that is its own text is read as it was written', () => {
  const json = fc.json({ maxDepth: 8 }).map((text) => JSON.stringify(JSON.parse(text)));
  fc.assert(
    fc.property(json, (text) => {
      fc.pre(text.isWellFormed() && !/\\ud[89a-f]|"__proto__":/i.test(text));
      assert.equal(JSON.stringify(parseJsonBody(Buffer.from(text))), text);
    }),
    { numRuns: 500 },
  );
});

test('whatever the bytes are, they are read or refused, never anything else', () => {
  const almostJson = fc.string({ unit: fc.constantFrom(...'{}[]:,"\\u0019d8e-.aé \n'), maxLength: 60 });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), almostJson.map(Buffer.from)), (bytes) => {
      try {
        parseJsonBody(Buffer.from(bytes));
      } catch (error) {
        assert.ok(isInvalid(error), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('colons, quotes and backslashes inside of strings are no structure', () => {
  const value = { 'a:b': 'c:"d"', 'e\\': '\\"', f: ['\\\\', ':::', '[[[{{{'], '': { '': ':' } };
  assert.deepEqual(parseJsonBody(Buffer.from(JSON.stringify(value))), value);
});

test('100 levels are read and 101 are not', () => {
  const nested = (depth: number) => Buffer.from('['.repeat(depth) + ']'.repeat(depth));
  assert.ok(Array.isArray(parseJsonBody(nested(100))));
  assert.throws(() => parseJsonBody(nested(101)), isInvalid);
});
