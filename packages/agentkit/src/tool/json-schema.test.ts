import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { z } from 'zod';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import { checkOf, inputSchemaOf, jsonSchemaOf } from './json-schema.ts';
import type { StandardSchemaV1 } from './standard-schema.ts';

async function problems(jsonSchema: Json, value: Json): Promise<string> {
  const checked = await checkOf({ jsonSchema })(value);
  return checked.ok ? 'ok' : checked.problems;
}

const object = (properties: Json, more: { [key: string]: Json } = {}): Json => ({
  type: 'object',
  properties,
  ...more,
});
const invalid = (message: RegExp) => (thrown: unknown) =>
  thrown instanceof OpspawnError && thrown.code === 'invalid_argument' && message.test(thrown.message);

suite('a Standard Schema', () => {
  test('asks a check that waits once, also one that throws, and lets go of nothing', async () => {
    let asked = 0;
    const check = async (): Promise<boolean> => {
      asked += 1;
      throw new Error('the database is down');
    };
    const input = z.object({ id: z.string().refine(check) });
    await assert.rejects(async () => await checkOf(input)({ id: 'a' }), /the database is down/);
    assert.equal(asked, 1);
    const free = z.object({ id: z.string().refine(async (id) => id !== 'b', 'is taken') });
    assert.deepEqual(await checkOf(free)({ id: 'b' }), { ok: false, problems: '- id: is taken' });
    assert.deepEqual(await checkOf(free)({ id: 'c' }), { ok: true, value: { id: 'c' } });
  });
});

suite('JSON Schema', () => {
  test('checks keywords of draft 2020-12 where no dialect is named', async () => {
    const schema = object({
      pair: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'integer' }], items: false },
    });
    assert.equal(await problems(schema, { pair: ['a', 1] }), 'ok');
    assert.match(await problems(schema, { pair: ['a', 'b'] }), /^- pair\[1\]: must be integer$/);
    const closed = { allOf: [object({ a: {} })], unevaluatedProperties: false };
    assert.match(
      await problems({ type: 'object', ...closed }, { a: 1, b: 2 }),
      /unevaluated properties \("b"\)/,
    );
    assert.match(await problems(object({ b: {} }, { dependentRequired: { a: ['b'] } }), { a: 1 }), /b/);
  });

  test('checks draft 7 as draft 7', async () => {
    for (const $schema of [
      'http://json-schema.org/draft-07/schema#',
      'https://json-schema.org/draft-07/schema',
    ]) {
      const schema = object(
        { pair: { type: 'array', items: [{ type: 'string' }], additionalItems: false } },
        { $schema },
      );
      assert.equal(await problems(schema, { pair: ['a'] }), 'ok');
      assert.match(await problems(schema, { pair: ['a', 'b'] }), /^- pair: must NOT have more than 1 items$/);
    }
  });

  test('checks draft 2019-09 as draft 2019-09', async () => {
    const $schema = 'https://json-schema.org/draft/2019-09/schema';
    const schema = object({ a: { $recursiveRef: '#' } }, { $schema, unevaluatedProperties: false });
    assert.match(await problems(schema, { a: { b: 1 } }), /b: must NOT have unevaluated properties/);
  });

  test('checks formats', async () => {
    const formats: [string, string, string][] = [
      ['email', 'a@b.example', 'a@'],
      ['date-time', '2026-01-01T00:00:00Z', '2026-01-01'],
      ['uuid', '123e4567-e89b-12d3-a456-426614174000', '123'],
      ['uri', 'https://a.example/', 'a b'],
      ['ipv4', '127.0.0.1', '127.0.0.256'],
    ];
    for (const [format, right, wrong] of formats) {
      const schema = object({ value: { type: 'string', format } });
      assert.equal(await problems(schema, { value: right }), 'ok', format);
      assert.match(
        await problems(schema, { value: wrong }),
        new RegExp(`^- value: must match format "${format}"$`),
      );
    }
  });

  test('lists all problems, and what enum, const and closed objects allow', async () => {
    const schema = object(
      {
        color: { enum: ['red', 'green'] },
        kind: { const: 'a' },
        'a/b': object({ '~x': { type: 'number' } }),
      },
      { required: ['name'], additionalProperties: false },
    );
    const said = await problems(schema, { color: 'blue', kind: 'b', 'a/b': { '~x': '' }, extra: 1 });
    assert.deepEqual(said.split('\n').sort(), [
      '- a/b.~x: must be number',
      '- color: must be equal to one of the allowed values: ["red","green"]',
      '- extra: must NOT have additional properties ("extra")',
      '- kind: must be equal to constant "a"',
      "- name: must have required property 'name'",
    ]);
  });

  test('coerces nothing, fills in nothing, and hands on a copy', async () => {
    const schema = object({ n: { type: 'integer', default: 7 }, list: { type: 'array', default: [] } });
    assert.match(await problems(schema, { n: '1' }), /n: must be integer/);
    const value = { list: [1] };
    const checked = await checkOf({ jsonSchema: schema })(value);
    assert.ok(checked.ok);
    assert.deepEqual(checked.value, { list: [1] });
    assert.notEqual((checked.value as typeof value).list, value.list);
  });

  test('keeps schemas with the same $id apart', async () => {
    const first = object({ a: { type: 'string' } }, { $id: 'https://a.example/tool' });
    const second = object({ a: { type: 'number' } }, { $id: 'https://a.example/tool' });
    assert.equal(await problems(first, { a: 'x' }), 'ok');
    assert.equal(await problems(second, { a: 1 }), 'ok');
    assert.match(await problems(second, { a: 'x' }), /must be number/);
  });

  test('follows references within a schema', async () => {
    const schema = object(
      { tree: { $ref: '#/$defs/node' } },
      {
        $defs: { node: object({ value: { type: 'integer' }, next: { $ref: '#/$defs/node' } }) },
      },
    );
    assert.match(
      await problems(schema, { tree: { value: 1, next: { value: 'x' } } }),
      /^- tree\.next\.value: /,
    );
  });

  test('follows references to the whole', async () => {
    for (const more of [
      {},
      { $id: 'https://a.example/list' },
      { $schema: 'http://json-schema.org/draft-07/schema#' },
    ]) {
      const schema = object({ value: { type: 'integer' }, next: { $ref: '#' } }, more);
      assert.equal(await problems(schema, { next: { next: { value: 1 } } }), 'ok');
      assert.match(await problems(schema, { next: { next: { value: 'x' } } }), /^- next\.next\.value: /);
    }
  });

  test('sees only the properties that are there, whatever they are called', async () => {
    const schema = object({ constructor: { type: 'integer' }, toString: {} }, { required: ['toString'] });
    assert.match(await problems(schema, {}), /^- toString: /);
    assert.equal(await problems(schema, { toString: 1 }), 'ok');
  });

  test('takes patterns that are written for expressions with and without Unicode', async () => {
    const schema = object({ a: { pattern: '^[\\w-.]+\\@x$' }, b: { pattern: '^\\p{L}$' } });
    assert.equal(await problems(schema, { a: 'a-b.c@x', b: 'é' }), 'ok');
    assert.match(await problems(schema, { a: 'a b@x', b: 'p' }), /^- a: /);
  });

  test('is not kept busy by a pattern', async () => {
    const schema = object({ a: { pattern: '^(a+)+$' } }, { patternProperties: { '^(b+)+$': {} } });
    assert.equal(await problems(schema, { a: 'a'.repeat(1_000) }), 'ok');
    for (const value of [{ a: `${'a'.repeat(60)}!` }, { [`${'b'.repeat(60)}!`]: 1 }])
      await assert.rejects(problems(schema, value), invalid(/takes too long/));
  });

  test('refuses a schema that cannot be compiled, saying why', async () => {
    const bad: [Json, RegExp][] = [
      [object({ a: { type: 'nonsense' } }), /does not compile/],
      [object({ a: { $ref: '#/nowhere' } }), /nowhere/],
      [object({ a: { $ref: 'https://elsewhere.example/schema' } }), /elsewhere/],
      [object({ a: { pattern: '(' } }), /regular expression/i],
      [object({}, { $schema: 'http://json-schema.org/draft-03/schema#' }), /dialect .* not supported/],
      [object({}, { $async: true }), /async/],
    ];
    for (const [schema, message] of bad) await assert.rejects(problems(schema, { a: 1 }), invalid(message));
  });

  test('takes only objects as the arguments of a tool', () => {
    for (const schema of [true, null, [], 'x', { type: 'string' }, { type: ['object', 'null'] }] as Json[]) {
      assert.throws(() => inputSchemaOf({ jsonSchema: schema }), invalid(/object/));
    }
    assert.throws(() => inputSchemaOf(z.string()), invalid(/object/));
    assert.equal(
      inputSchemaOf(z.union([z.object({ a: z.string() }), z.object({ b: z.string() })])).type,
      'object',
    );
  });
});

suite('Standard Schema', () => {
  /** A validator of one's own that cannot say its JSON Schema. */
  const even: StandardSchemaV1<unknown, { n: number }> = {
    '~standard': {
      version: 1,
      vendor: 'own',
      validate: (value) => {
        const { n } = value as { n: number };
        return n % 2 === 0
          ? { value: { n: n / 2 } }
          : { issues: [{ message: 'must be even', path: [{ key: 'n' }] }] };
      },
    },
  };

  test('a zod schema says what it takes in, not what it decodes to', () => {
    const schema = z.object({ day: z.string().transform((day) => new Date(day)), count: z.int().default(1) });
    assert.deepEqual(jsonSchemaOf(schema).required, ['day']);
  });

  test('a schema that JSON Schema has no word for is refused, saying so', () => {
    assert.throws(() => jsonSchemaOf(z.object({ at: z.date() })), invalid(/no JSON Schema: .*[Dd]ate/));
  });

  test('a vendor that cannot say its JSON Schema is told what to give instead', async () => {
    assert.throws(() => jsonSchemaOf(even), invalid(/schema of own .* give \{ jsonSchema, validate \}/));
    const check = checkOf({ jsonSchema: object({ n: { type: 'integer' } }), validate: even });
    assert.deepEqual(await check({ n: 4 }), { ok: true, value: { n: 2 } });
    assert.deepEqual(await check({ n: 3 }), { ok: false, problems: '- n: must be even' });
  });
});
