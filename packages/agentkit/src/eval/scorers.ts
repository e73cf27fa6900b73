import { z } from 'zod';
import { checkOptions } from '../check-options.ts';
import { OpspawnError } from '../errors.ts';
import { canonicalJson, type Json } from '../json.ts';
import { jsonSchemaIssues, jsonSchemaProblem } from '../tool/json-schema.ts';
import { outputText, type Scorer } from './scorer.ts';

/** The output is `expected`, as JSON; a text that is JSON may stand for it. Space around a text counts for nothing. */
export const exact: Scorer = {
  name: 'exact',
  needsExpected: true,
  score: ({ output, case: { expected = null } }) =>
    canonicalJson(trimmed(output)) === canonicalJson(trimmed(expected)) ||
    (typeof expected !== 'string' && canonicalJson(parsed(output)) === canonicalJson(expected)),
};

/** The output's text holds `expected`, or this share of the texts of a list, whatever their case. */
export const contains: Scorer = {
  name: 'contains',
  needsExpected: true,
  score({ output, case: { expected = null } }) {
    const texts = (Array.isArray(expected) ? expected : [expected]).map((text) =>
      outputText(text).toLowerCase(),
    );
    const said = outputText(output).toLowerCase();
    const missing = texts.filter((text) => !said.includes(text));
    const score = texts.length === 0 ? 1 : 1 - missing.length / texts.length;
    return missing.length === 0
      ? score
      : { score, reason: `without ${missing.map((text) => `"${text}"`).join(', ')}` };
  },
};

export interface NumericOptions {
  /** How far the number may be off. Default 1e-9. */
  tolerance?: number;
  /** The tolerance is a share of the expected number. Default false. */
  relative?: boolean;
}

const numericOptions = z.strictObject({
  tolerance: z.number().nonnegative().optional(),
  relative: z.boolean().optional(),
} satisfies Record<keyof NumericOptions, z.ZodType>);

/** The first number of the output is the number `expected`, within a tolerance. Commas between thousands are read over. */
export function numeric(options: NumericOptions = {}): Scorer {
  checkOptions('The scorer numeric', numericOptions, options);
  const { tolerance = 1e-9, relative = false } = options;
  return {
    name: 'numeric',
    needsExpected: true,
    score({ output, case: { expected = null } }) {
      const wanted = numberIn(expected);
      if (wanted === undefined) throw new OpspawnError('invalid_argument', 'expected is no number');
      const got = numberIn(output);
      if (got === undefined) return { score: 0, reason: 'no number' };
      const isNear = Math.abs(got - wanted) <= tolerance * (relative ? Math.abs(wanted) : 1);
      return isNear || { score: 0, reason: `${got}` };
    },
  };
}

const schemaSchema = z.union(
  [z.boolean(), z.record(z.string(), z.unknown())],
  'must be an object, true or false',
);

/**
 * The output, or the JSON that its text is, satisfies this JSON Schema (draft 2020-12 or 7). Throws `config_invalid` for what is none; so does an evaluation
 * for one by which nothing can be checked.
 */
export function matchesSchema(schema: Json): Scorer {
  checkOptions('The JSON Schema of the scorer', schemaSchema, schema);
  return {
    name: 'json-schema',
    async check() {
      if (typeof schema === 'boolean') return;
      const problem = await jsonSchemaProblem(schema as { [keyword: string]: Json });
      if (problem === undefined) return;
      const message = `By the JSON Schema of the scorer nothing can be checked: ${problem}`;
      throw new OpspawnError('config_invalid', message, { details: { scorer: 'json-schema' } });
    },
    async score({ output }) {
      const issues = await jsonSchemaIssues(schema, parsed(output));
      return issues.length === 0 || { score: 0, reason: issues.map(({ message }) => message).join('; ') };
    },
  };
}

const trimmed = (value: Json): Json => (typeof value === 'string' ? value.trim() : value);

function parsed(output: Json): Json {
  if (typeof output !== 'string') return output;
  try {
    return JSON.parse(output.replace(/^\s*```(?:json)?\s*\n([\s\S]*?)\n\s*```\s*$/, '$1')) as Json;
  } catch {
    return output;
  }
}

function numberIn(value: Json): number | undefined {
  const text = outputText(value).replace(/(?<=\d),(?=\d{3}\b)/g, '');
  const [found] = /-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/i.exec(text) ?? [];
  return found === undefined ? undefined : Number(found);
}
