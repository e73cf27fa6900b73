import { OpspawnError } from './errors.ts';

/** A value that survives a JSON round trip unchanged. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What a value of type T is after its JSON round trip; `never` where JSON would silently change it. */
export type Jsonify<T> = T extends null | boolean | number | string | undefined
  ? T
  : T extends bigint | symbol | Date | Map<unknown, unknown> | Set<unknown> | ((...args: never[]) => unknown)
    ? never
    : T extends object
      ? { [K in keyof T]: Jsonify<T[K]> }
      : T extends void
        ? undefined
        : Json;

/**
 * Whether JSON can hold the value unchanged. Deeper than `maxDepth` levels counts as no: parsers and databases of
 * others give up at some depth, and a circular object ends there too.
 */
export function isJson(value: unknown, maxDepth = 500): value is Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value);
    case 'object':
      return value === null || (maxDepth > 0 && isJsonObject(value, maxDepth - 1));
    default:
      return false;
  }
}

function isJsonObject(value: object, maxDepth: number): boolean {
  if (Array.isArray(value)) return value.every((item) => isJson(item, maxDepth));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.values(value).every((item) => item === undefined || isJson(item, maxDepth));
}

/**
 * The JSON text of a value, or undefined for `undefined` (a step that returns nothing).
 * Throws `not_json`, naming the path, for everything that JSON would drop or change: NaN, infinities, bigint,
 * functions, symbols, dates, maps, class instances and circular objects.
 */
export function encodeJson(value: unknown, subject = 'value'): string | undefined {
  if (value === undefined) return undefined;
  assertJson(value, subject, []);
  return JSON.stringify(value);
}

export function decodeJson(text: string | undefined | null): Json | undefined {
  return text === undefined || text === null ? undefined : (JSON.parse(text) as Json);
}

function assertJson(value: unknown, path: string, ancestors: object[]): void {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return;
    case 'number':
      if (!Number.isFinite(value)) throw notJson(path, String(value));
      return;
    case 'object':
      if (value !== null) assertJsonObject(value, path, ancestors);
      return;
    default:
      throw notJson(path, `a ${typeof value}`);
  }
}

function assertJsonObject(value: object, path: string, ancestors: object[]): void {
  if (ancestors.includes(value)) throw notJson(path, 'circular');
  ancestors.push(value);
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) assertJson(item, `${path}[${index}]`, ancestors);
  } else {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw notJson(path, `a ${value.constructor?.name ?? 'class instance'}`);
    }
    for (const [key, item] of Object.entries(value)) assertJson(item, `${path}.${key}`, ancestors);
  }
  ancestors.pop();
}

const notJson = (path: string, what: string): OpspawnError =>
  new OpspawnError('not_json', `${path} is ${what}, which JSON cannot hold`, { details: { path } });
