import { OpspawnError } from './errors.ts';

/** A value that survives a JSON round trip unchanged. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What a value of type T is after its JSON round trip; `never` where JSON would silently change it. */
export type Jsonify<T> = [T] extends [Json | undefined]
  ? T
  : T extends null | boolean | number | string | undefined
    ? T
    : T extends
          | bigint
          | symbol
          | Date
          | Map<unknown, unknown>
          | Set<unknown>
          | ((...args: never[]) => unknown)
      ? never
      : T extends object
        ? { [K in keyof T]: Jsonify<T[K]> }
        : T extends void
          ? undefined
          : Json;

const maxJsonDepth = 500;
/** Of a path in a message. */
const maxPathLength = 200;

/**
 * Whether JSON can hold the value unchanged. Deeper than `maxDepth` levels counts as no: parsers and databases of
 * others give up at some depth, and a circular object ends there too.
 */
export function isJson(value: unknown, maxDepth = maxJsonDepth): value is Json {
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
  if (Array.isArray(value))
    return !value.includes(undefined) && value.every((item) => isJson(item, maxDepth));
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
  assertJson(value, subject);
  return JSON.stringify(value);
}

export function decodeJson(text: string | undefined | null): Json | undefined {
  return text === undefined || text === null ? undefined : (JSON.parse(text) as Json);
}

/** Throws `not_json`, naming the path, unless JSON can hold the value unchanged or it is undefined. */
export function assertJson(value: unknown, subject = 'value'): asserts value is Json | undefined {
  if (value === undefined || isJson(value)) return;
  const { path: found, what } = findNotJson(value, subject);
  const path = found.length > maxPathLength ? `${found.slice(0, maxPathLength)}…` : found;
  throw new OpspawnError('not_json', `${path} is ${what}, which JSON cannot hold`, { details: { path } });
}

/**
 * Whether the JSON text of a value is certainly larger, by its strings and the number of its parts. Looks no further than
 * that: a value may hold the same part so often that its text would never end. Whatever is no JSON counts as small.
 */
export function isLargerThan(value: unknown, maxBytes: number): boolean {
  let leftBytes = maxBytes;
  const fits = (part: unknown, maxDepth: number): boolean => {
    leftBytes -= typeof part === 'string' ? part.length + 2 : 1;
    if (leftBytes < 0 || maxDepth === 0) return false;
    if (typeof part !== 'object' || part === null) return true;
    if (Array.isArray(part)) {
      if (part.length > leftBytes) leftBytes = -1;
      return leftBytes >= 0 && part.every((item) => fits(item, maxDepth - 1));
    }
    return Object.entries(part).every(([key, item]) => {
      leftBytes -= key.length + 3;
      return fits(item, maxDepth - 1);
    });
  };
  return !fits(value, maxJsonDepth) && leftBytes < 0;
}

/**
 * The same value, which somebody else may change. Faster than `structuredClone`: texts are shared. A member that is
 * undefined stays.
 */
export function copyJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyJson) as T;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copyJson(item)])) as T;
}

/** JSON text with sorted keys: the same for equal values, so that it can be hashed. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .flatMap((key) =>
      value[key] === undefined ? [] : [`${JSON.stringify(key)}:${canonicalJson(value[key])}`],
    );
  return `{${members.join(',')}}`;
}

/** The same for a value of which nobody knows that it is JSON. Throws `not_json`, naming the path. */
export function checkedCanonicalJson(value: Json): string {
  if (value === undefined) throw new OpspawnError('not_json', 'value is undefined, which JSON cannot hold');
  assertJson(value);
  return canonicalJson(value);
}

/** The first part of a value that is not JSON. Called for such values only, so that the check itself builds no paths. */
function findNotJson(value: unknown, path: string, ancestors: object[] = []): { path: string; what: string } {
  if (typeof value !== 'object' || value === null) {
    return {
      path,
      what: typeof value === 'number' || value === undefined ? String(value) : `a ${typeof value}`,
    };
  }
  if (ancestors.includes(value)) return { path, what: 'circular' };
  if (ancestors.length === maxJsonDepth) return { path, what: `deeper than ${maxJsonDepth} levels` };
  const isList = Array.isArray(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!isList && prototype !== Object.prototype && prototype !== null) {
    return { path, what: `a ${value.constructor?.name || 'class instance'}` };
  }
  const within = [...ancestors, value];
  for (const [key, item] of isList ? value.entries() : Object.entries(value)) {
    const isDropped = item === undefined && !isList;
    if (isDropped || isJson(item, maxJsonDepth - within.length)) continue;
    return findNotJson(item, isList ? `${path}[${key}]` : `${path}.${key}`, within);
  }
  return { path, what: `deeper than ${maxJsonDepth} levels` };
}
