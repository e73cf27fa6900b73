import { describeThrown, OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import type { SchemaIssue } from './ajv-validator.ts';
import { describeProblem, listProblems } from './problem-list.ts';
import type { StandardIssue, StandardSchemaV1 } from './standard-schema.ts';
import type { ToolInput, ToolOutput } from './tool.ts';

/** What came of checking a value: the decoded value, or what is wrong with it, one problem a line, with its path. */
export type Checked = { ok: true; value: unknown } | { ok: false; problems: string };
export type Check = (value: Json) => Checked | Promise<Checked>;

type JsonObject = { [key: string]: Json };

/**
 * The JSON Schema (draft 2020-12) of what a Standard Schema takes in. Throws `invalid_argument` for a schema that
 * cannot say it (a vendor without Standard JSON Schema, or a part such as a date that JSON has no word for).
 */
export function jsonSchemaOf(schema: StandardSchemaV1): JsonObject {
  const { vendor, jsonSchema } = schema['~standard'];
  if (jsonSchema === undefined) {
    throw new OpspawnError(
      'invalid_argument',
      `A schema of ${vendor} does not say its JSON Schema: give { jsonSchema, validate } instead, with this schema as validate`,
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

/** Schemas live as long as the tools that hold them, and many runs ask for the same ones. */
const known = new WeakMap<ToolInput, JsonObject>();

/** The JSON Schema of a tool's arguments, always with `type: "object"`. Throws `invalid_argument`. */
export function inputSchemaOf(input: ToolInput): JsonObject {
  if ((typeof input !== 'object' && typeof input !== 'function') || input === null)
    throw new OpspawnError('invalid_argument', 'The input of a tool is a Standard Schema or { jsonSchema }');
  const before = known.get(input);
  if (before !== undefined) return before;
  const schema = '~standard' in input ? jsonSchemaOf(input) : input.jsonSchema;
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
    throw new OpspawnError('invalid_argument', 'The JSON Schema of a tool is an object');
  }
  const { type = 'object' } = schema;
  if (type !== 'object') {
    throw new OpspawnError(
      'invalid_argument',
      `The arguments of a tool are an object, not ${JSON.stringify(type)}`,
    );
  }
  // the same object where it can be: what is compiled is kept by it
  const complete = 'type' in schema ? schema : { ...schema, type };
  known.set(input, complete);
  return complete;
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
  if (typeof jsonSchema === 'object' && jsonSchema !== null && !Array.isArray(jsonSchema)) return jsonSchema;
  throw new OpspawnError('invalid_argument', 'The JSON Schema of a result is an object');
}

export function checkByStandardSchema(schema: StandardSchemaV1): (value: unknown) => Promise<Checked> {
  return async (value) => {
    const result = await schema['~standard'].validate(value);
    if (result.issues === undefined) return { ok: true, value: result.value };
    return { ok: false, problems: listProblems(result.issues.map(describeIssue)) };
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

const describeIssue = ({ message, path = [] }: StandardIssue): string =>
  describeProblem(
    path.map((segment) => (typeof segment === 'object' ? segment.key : segment)),
    message,
  );
