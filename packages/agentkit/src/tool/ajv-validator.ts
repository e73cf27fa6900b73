import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describeThrown, OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import { boundedRegExp } from './bounded-reg-exp.ts';
import { describeProblem } from './problem-list.ts';

/**
 * Schemas come from others: what their authors' validators let pass must not fail here (`strict`), and two of them may
 * have the same `$id` (`addUsedSchema`). Nothing is coerced and no default is filled in.
 */
const options: Options = {
  strict: false,
  allErrors: true,
  addUsedSchema: false,
  ownProperties: true,
  logger: false,
  code: { regExp: boundedRegExp },
};

const dialects: readonly { schema: RegExp; create: () => Ajv }[] = [
  { schema: /^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/, create: () => new Ajv2020(options) },
  { schema: /^https?:\/\/json-schema\.org\/draft\/2019-09\/schema#?$/, create: () => new Ajv2019(options) },
  { schema: /^https?:\/\/json-schema\.org\/draft-0[67]\/schema#?$/, create: () => new Ajv(options) },
];

const instances = new Map<(typeof dialects)[number], Ajv>();
/** Compiling takes milliseconds; the schemas of a server or a tool are the same objects in every run. */
const compiled = new WeakMap<object, ValidateFunction>();

/** One thing that is wrong with a value. */
export interface SchemaIssue {
  /** JSON Pointer (RFC 6901) into the value; empty for the whole. */
  pointer: string;
  message: string;
}

/**
 * What is wrong with the value by the schema; empty when nothing is. Without `$schema` the dialect is draft 2020-12, as
 * MCP has it. Throws `invalid_argument` for a schema that does not compile.
 */
export function findIssues(schema: { [key: string]: Json }, value: Json): SchemaIssue[] {
  const validate = compiled.get(schema) ?? compile(schema);
  compiled.set(schema, validate);
  return validate(value) ? [] : (validate.errors ?? []).map(issueOf);
}

/** The same for people and models: each with its path. */
export const findProblems = (schema: { [key: string]: Json }, value: Json): string[] =>
  findIssues(schema, value).map(({ pointer, message }) => describeProblem(keysOf(pointer), message));

/** Those that were looked at, with what is wrong. */
const judged = new WeakMap<object, SchemaIssue | undefined>();
/** Only with these can a schema that its dialect's own schema takes fail to compile, which costs a hundred times as much. */
const mayFailToCompile = /"(\$(?!schema"|defs"|comment")|nullable"|pattern)/;

/**
 * Why nothing can be checked by the schema, and where in it; undefined for one that is in order. An object is looked at
 * once.
 */
export function schemaProblem(schema: { [key: string]: Json }): SchemaIssue | undefined {
  if (!judged.has(schema)) judged.set(schema, findSchemaProblem(schema));
  return judged.get(schema);
}

function findSchemaProblem(schema: { [key: string]: Json }): SchemaIssue | undefined {
  const { $schema, ...said } = schema;
  try {
    const instance = instanceFor($schema);
    if (!instance.validateSchema(said)) {
      // of what cannot be a schema in one way or another, the last place is where the mistake is
      const [first] = (instance.errors ?? []).sort((a, b) => b.instancePath.length - a.instancePath.length);
      return first && issueOf(first);
    }
    if (mayFailToCompile.test(JSON.stringify(said))) compiled.set(schema, compile(schema));
    return undefined;
  } catch (thrown) {
    const { cause = thrown } = thrown as Error;
    return { pointer: pointerOf(said, placeOf(cause)) ?? '', message: describeThrown(cause) };
  }
}

type IsPlace = (key: string, value: Json | undefined) => boolean;

/** What Ajv could not compile, as far as it tells: it says what it looked for, or which expression, and not where. */
function placeOf(reason: unknown): IsPlace {
  if (reason instanceof Ajv.MissingRefError)
    return (key, value) =>
      /^\$(dynamicR|recursiveR|r)ef$/.test(key) &&
      typeof value === 'string' &&
      reason.missingRef.endsWith(value);
  if (reason instanceof SyntaxError)
    return (key, value) =>
      (key === 'pattern' && typeof value === 'string' && reason.message.includes(`/${value}/`)) ||
      reason.message.includes(`/${key}/`);
  return () => false;
}

function pointerOf(value: Json | undefined, isPlace: IsPlace, at = ''): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const pointer = `${at}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const found = isPlace(key, inner) ? pointer : pointerOf(inner, isPlace, pointer);
    if (found !== undefined) return found;
  }
  return undefined;
}

function compile(schema: { [key: string]: Json }): ValidateFunction {
  try {
    const instance = instanceFor(schema.$schema);
    const own = asRoot(schema);
    const validate = instance.compile(own);
    instance.removeSchema(own); // it would be kept as long as the instance, which is for ever
    if ('$async' in validate) throw new Error('$async is not supported');
    return validate;
  } catch (thrown) {
    throw new OpspawnError(
      'invalid_argument',
      `The JSON Schema does not compile: ${describeThrown(thrown)}`,
      {
        cause: thrown,
      },
    );
  }
}

function instanceFor(dialect: Json | undefined): Ajv {
  const found =
    dialect === undefined
      ? dialects[0]
      : dialects.find(({ schema }) => typeof dialect === 'string' && schema.test(dialect));
  if (found === undefined)
    throw new Error(
      `the dialect ${JSON.stringify(dialect)} is not supported, but 2020-12, 2019-09, draft-07 and draft-06`,
    );
  const instance = instances.get(found) ?? addFormats.default(found.create());
  instances.set(found, instance);
  return instance;
}

/** Ajv knows each dialect under one spelling of its address only, and `{ $ref: '#' }` only in what has an address. */
function asRoot(schema: { [key: string]: Json }): { [key: string]: Json } {
  const { $schema: _, $id = 'https://schema.invalid/root', ...rest } = schema;
  return { $id, ...rest };
}

const issueOf = ({ instancePath, keyword, params, message = 'is not valid' }: ErrorObject): SchemaIssue => ({
  pointer: `${instancePath}${missingOrExtra(params)}`,
  message: `${message}${detailOf(keyword, params)}`,
});

/** Ajv points at the object; what is wrong is the property that it lacks, or has too much. */
function missingOrExtra(params: Record<string, unknown>): string {
  const property = params.missingProperty ?? params.additionalProperty ?? params.unevaluatedProperty;
  return typeof property === 'string' ? `/${property.replaceAll('~', '~0').replaceAll('/', '~1')}` : '';
}

export const keysOf = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));

/** What Ajv's message leaves out and a model needs to mend its call. */
function detailOf(keyword: string, params: Record<string, unknown>): string {
  switch (keyword) {
    case 'additionalProperties':
      return ` (${JSON.stringify(params.additionalProperty)})`;
    case 'unevaluatedProperties':
      return ` (${JSON.stringify(params.unevaluatedProperty)})`;
    case 'enum':
      return `: ${JSON.stringify(params.allowedValues)}`;
    case 'const':
      return ` ${JSON.stringify(params.allowedValue)}`;
    default:
      return '';
  }
}
