import { describeThrown, OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import type { SchemaIssue } from './ajv-validator.ts';
import { describeIssue } from './describe-issue.ts';
import { describeProblem, listProblems } from './problem-list.ts';
import { type StandardSchemaV1, validateBy } from './standard-schema.ts';
import type { ToolInput, ToolOutput } from './tool.ts';

/** What came of checking a value: the decoded value, or what is wrong with it, one problem a line, with its path. */
export type Checked = { ok: true; value: unknown } | { ok: false; problems: string };
export type Check = (value: Json) => Checked | Promise<Checked>;

type JsonObject = { [key: string]: Json };

/** How vendors come by the JSON Schema of a schema that does not say it. */
const hints: Readonly<Record<string, string>> = {
  zod: '. Schemas of zod say it from 4.2 on; of those of zod/mini, z.toJSONSchema(schema) gives it',
  valibot: '. Or give toStandardJsonSchema(schema), from @valibot/to-json-schema',
};

/**
 * The JSON Schema (draft 2020-12) of what a Standard Schema takes in. Throws `invalid_argument` for a schema that
 * cannot say it (a vendor without Standard JSON Schema, or a part such as a date that JSON has no word for).
 */
export function jsonSchemaOf(schema: StandardSchemaV1): JsonObject {
  if (!isObjectWith(schema, '~standard')) throw noSchema('It must be a Standard Schema');
  const { vendor, jsonSchema } = schema['~standard'];
  if (jsonSchema === undefined) {
    throw new OpspawnError(
      'invalid_argument',
      `A schema of ${vendor} does not say its JSON Schema: give { jsonSchema, validate } instead, with this schema as validate${hints[vendor] ?? ''}`,
      { details: { vendor } },
    );
  }
  try {
    const { $schema: _, ...said } = jsonSchema.input({ target: 'draft-2020-12' }) as JsonObject;
    return said;
  } catch (thrown) {
    throw new OpspawnError('invalid_argument', `The schema has no JSON Schema: ${describeThrown(thrown)}`, {
      cause: thrown,
    });
  }
}

/** Some vendors' schemas are functions. */
const isObjectWith = (value: unknown, key: string): boolean =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') && key in value;

const noSchema = (what: string): OpspawnError =>
  new OpspawnError('invalid_argument', `${what}; what zod before 3.24 makes is none`);

/** Schemas live as long as the tools and agents that hold them, and many runs ask for the same ones. */
const known = new WeakMap<ToolInput, JsonObject>();

/** The JSON Schema that is given, or that a Standard Schema says. Throws `invalid_argument` where there is none. */
export function shownSchemaOf(given: ToolInput): JsonObject {
  const before = known.get(given);
  if (before !== undefined) return before;
  if (!isObjectWith(given, '~standard') && !isObjectWith(given, 'jsonSchema'))
    throw noSchema('must be a Standard Schema or { jsonSchema }');
  const schema = '~standard' in given ? jsonSchemaOf(given) : given.jsonSchema;
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema))
    throw new OpspawnError('invalid_argument', 'The JSON Schema of a tool or an answer is an object');
  const said = schema as JsonObject; // it is sent as JSON, and Ajv looks at what it says
  known.set(given, said);
  return said;
}

/** Those that leave out their type, completed: what is compiled is kept by the object. */
const completed = new WeakMap<JsonObject, JsonObject>();

/** The JSON Schema of a tool's arguments, always with `type: "object"`. Throws `invalid_argument`. */
export function inputSchemaOf(input: ToolInput): JsonObject {
  const schema = shownSchemaOf(input);
  const { type } = schema;
  if (type === 'object') return schema;
  if (type !== undefined) {
    throw new OpspawnError(
      'invalid_argument',
      `The arguments of a tool are an object, not ${JSON.stringify(type)}`,
    );
  }
  const complete = completed.get(schema) ?? { ...schema, type: 'object' };
  completed.set(schema, complete);
  return complete;
}

/** How an agent's answer is checked. */
export function checkOfAnswer(output: ToolInput): Check {
  const standard = '~standard' in output ? output : output.validate;
  return standard === undefined ? checkByJsonSchema(shownSchemaOf(output)) : checkByStandardSchema(standard);
}

/** How a tool's arguments are checked. Nothing is coerced but what a Standard Schema itself decodes. */
export function checkOf(input: ToolInput): Check {
  const standard = '~standard' in input ? input : input.validate;
  return standard === undefined ? checkByJsonSchema(inputSchemaOf(input)) : checkByStandardSchema(standard);
}

/** Whether a result is as its tool says. Throws `invalid_argument` for a schema that does not compile. */
export async function checkOutputBy(output: ToolOutput, result: Json): Promise<Checked> {
  if ('~standard' in output) return await checkByStandardSchema(output)(result);
  return await checkByJsonSchema(outputSchemaOf(output))(result);
}

/** The JSON Schema of a tool's result. Throws `invalid_argument` for what is no object. */
export function outputSchemaOf({ jsonSchema }: Exclude<ToolOutput, StandardSchemaV1>): JsonObject {
  if (typeof jsonSchema === 'object' && jsonSchema !== null && !Array.isArray(jsonSchema))
    return jsonSchema as JsonObject;
  throw new OpspawnError('invalid_argument', 'The JSON Schema of a result is an object');
}

export function checkByStandardSchema(schema: StandardSchemaV1): (value: unknown) => Promise<Checked> {
  return async (value) => {
    const result = await validateBy(schema, value);
    if (result.issues === undefined) return { ok: true, value: result.value };
    return { ok: false, problems: listProblems(result.issues.flatMap((issue) => describeIssue(issue))) };
  };
}

let validator: Promise<typeof import('./ajv-validator.ts')> | undefined;

/** Ajv is loaded at its first use. */
function loadValidator(): Promise<typeof import('./ajv-validator.ts')> {
  validator ??= import('./ajv-validator.ts');
  return validator;
}

/**
 * What is wrong with a value by a JSON Schema, each problem with its JSON Pointer; empty when nothing is. A schema is
 * compiled once for each object that holds it. Throws `invalid_argument` for one that does not compile.
 */
export async function jsonSchemaIssues(schema: Json, value: Json): Promise<SchemaIssue[]> {
  const isObject = typeof schema === 'object' && schema !== null && !Array.isArray(schema);
  return (await loadValidator()).findIssues(isObject ? schema : { allOf: [schema] }, value);
}

/** What is wrong with a JSON Schema, and where in it; undefined when nothing is. An object is looked at once. */
export async function jsonSchemaProblem(schema: JsonObject): Promise<string | undefined> {
  const { schemaProblem, keysOf } = await loadValidator();
  const found = schemaProblem(schema);
  return found && describeProblem(keysOf(found.pointer), found.message);
}

/** The value handed on is a copy: the given one is part of a message. */
function checkByJsonSchema(schema: JsonObject): Check {
  return async (value) => {
    const { findProblems } = await loadValidator();
    const problems = findProblems(schema, value);
    return problems.length === 0
      ? { ok: true, value: structuredClone(value) }
      : { ok: false, problems: listProblems(problems) };
  };
}
