import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { z } from 'zod';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import { refuseBrokenSchemas } from './refuse-broken-schemas.ts';
import type { Tool } from './tool.ts';

const sound: Tool = { description: 'd', input: z.object({ text: z.string() }), execute: () => 1 };

const draft4 = { $schema: 'http://json-schema.org/draft-04/schema#' };

/** By these nothing can be checked; and where the mistake is. */
const broken: [properties: Json, where: RegExp, more?: { [key: string]: Json }][] = [
  [{ a: { type: 'strin' } }, /properties\.a\.type: must be/],
  [{ a: { minimum: '5' } }, /properties\.a\.minimum: must be number/],
  [{ a: { pattern: '(' } }, /properties\.a\.pattern: Invalid regular expression/],
  [{ a: { patternProperties: { '[': {} } } }, /properties\.a\.patternProperties\.\[: Invalid regular/],
  [{ a: { $ref: '#/$defs/none' } }, /properties\.a\.\$ref: can't resolve reference/],
  [{ a: { items: { $ref: 'https://elsewhere.example/a' } } }, /properties\.a\.items\.\$ref: can't resolve/],
  [{ a: { nullable: true } }, /"nullable" cannot be used without "type"/],
  [{}, /required: must be array/, { required: 'a' }],
  [{}, /the dialect "http:\/\/json-schema.org\/draft-04.* is not supported/, draft4],
];

suite('JSON Schemas of tools', () => {
  test('by which nothing can be checked are refused, naming the tool and the place', async () => {
    for (const [properties, where, more] of broken) {
      const jsonSchema = { type: 'object', properties, ...more };
      for (const [part, it] of Object.entries({
        input: { ...sound, input: { jsonSchema } },
        output: { ...sound, output: { jsonSchema } },
      })) {
        const refused = (thrown: unknown): boolean => {
          assert.ok(thrown instanceof OpspawnError && thrown.code === 'config_invalid');
          assert.match(thrown.message, new RegExp(`- it\\.${part}\\.jsonSchema.*${where.source}`));
          return true;
        };
        const tools = { sound, it: it as Tool };
        await assert.rejects(refuseBrokenSchemas(tools), refused, where.source);
        await assert.rejects(refuseBrokenSchemas(tools), refused, 'the second time');
      }
    }
  });

  test('that another schema checks in the place of are shown as they are', async () => {
    const input = { jsonSchema: { ...draft4, type: 'object' }, validate: z.object({}) };
    await refuseBrokenSchemas({ it: { ...sound, input } as Tool });
  });
});
