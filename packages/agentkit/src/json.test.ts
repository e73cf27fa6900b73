import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertJson, checkedCanonicalJson as canonicalJson, encodeJson, isJson } from './json.ts';

describe('canonical JSON', () => {
  it('says what is no JSON, with its path', () => {
    assert.equal(canonicalJson({ b: 1, a: [null, 'x'] }), '{"a":[null,"x"],"b":1}');
    const circular: Record<string, unknown> = {};
    circular.own = circular;
    for (const [value, path] of [
      [undefined, /^value is undefined/],
      [{ a: 1n }, /^value\.a is a bigint/],
      [{ a: [() => 1] }, /^value\.a\[0\] is a function/],
      [circular, /^value\.own is circular/],
    ] as const)
      assert.throws(() => canonicalJson(value as never), { code: 'not_json', message: path });
  });
});

describe('JSON', () => {
  it('is refused with the path of the first part that it cannot hold', () => {
    const circular: { a: unknown[] } = { a: [{}] };
    circular.a[0] = { b: circular };
    class Point {}
    const cases: [unknown, string][] = [
      [{ a: [1, undefined] }, 'x.a[1] is undefined'],
      [[0, { d: new Date() }], 'x[1].d is a Date'],
      [Number.NaN, 'x is NaN'],
      [{ n: Number.NEGATIVE_INFINITY }, 'x.n is -Infinity'],
      [{ f() {} }, 'x.f is a function'],
      [{ m: new Map() }, 'x.m is a Map'],
      [{ n: 1n }, 'x.n is a bigint'],
      [{ p: new Point() }, 'x.p is a Point'],
      [Symbol('s'), 'x is a symbol'],
      [circular, 'x.a[0].b is circular'],
    ];
    for (const [value, says] of cases) {
      assert.equal(isJson(value), false, says);
      assert.throws(() => assertJson(value, 'x'), {
        code: 'not_json',
        message: `${says}, which JSON cannot hold`,
      });
    }
  });

  it('ends at 500 levels, also with thousands below', () => {
    const deep = JSON.parse(`${'{"a":'.repeat(2_000)}[{"b":1e999}]${'}'.repeat(2_000)}`) as unknown;
    assert.throws(() => assertJson(deep, 'x'), {
      code: 'not_json',
      message: /^.{200}… is deeper than 500 levels/,
    });
  });

  it('holds everything else unchanged; a part that is undefined is as if it were not there', () => {
    const value = { a: [1, 'x', null, true, { b: '\u0000' }], c: undefined };
    assert.deepEqual(JSON.parse(encodeJson(value) ?? ''), { a: value.a });
    assert.equal(encodeJson(undefined), undefined);
    assert.equal(isJson(Object.create(null)), true);
  });

  it('has one canonical text for equal values', () => {
    const one = { b: [1, { d: null, c: 'é' }], a: true };
    const two = JSON.parse('{"a":true,"b":[1,{"c":"é","d":null}]}');
    assert.equal(canonicalJson(one), '{"a":true,"b":[1,{"c":"é","d":null}]}');
    assert.equal(canonicalJson(one), canonicalJson(two));
    assert.notEqual(canonicalJson([1, 2]), canonicalJson([2, 1]));
  });
});
