import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { jsonSchema } from './message.ts';

test('a JSON value passes its schema unchanged, keys named __proto__ included', () => {
  const value: unknown = JSON.parse('{"__proto__":{"a":1},"b":[null,true,"\\u0000",1.5]}');
  assert.equal(JSON.stringify(jsonSchema.parse(value)), JSON.stringify(value));
});

test('what JSON cannot hold is refused', () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  for (const value of [
    undefined,
    Number.NaN,
    Infinity,
    1n,
    new Date(),
    new Map(),
    () => 1,
    [undefined],
    circular,
  ]) {
    assert.equal(jsonSchema.safeParse(value).success, false, String(value));
  }
});

test('a JSON value is the empty JSON Schema, which allows everything', () => {
  const { properties, required } = z.toJSONSchema(z.object({ input: jsonSchema }));
  assert.deepEqual(properties, { input: {} });
  assert.deepEqual(required, ['input']);
});
