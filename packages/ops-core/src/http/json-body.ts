import { isUtf8 } from 'node:buffer';
import type { OpspawnError } from '@opspawn/sdk';
import { invalidArgument, pointerTo } from '../handlers/invalid-argument.ts';

export const maxJsonDepth = 100;

/**
 * The value of a JSON text, exactly: what `JSON.parse` would change without a word is refused as `invalid_argument`
 * with the place where it stands. That is invalid UTF-8, numbers that no double can hold (1e999), lone surrogates,
 * keys that are there twice, and keys named `__proto__`; also what is nested deeper than 100.
 */
export function parseJsonBody(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw fault('', 'is not valid UTF-8');
  const { depth, members } = measure(bytes);
  if (depth > maxJsonDepth) throw fault('', `is nested deeper than ${maxJsonDepth} levels`);
  const value = parse(bytes.toString('utf8'));
  const count = { members: 0 };
  checkValue(value, '', count);
  if (count.members !== members) throw fault('', 'has an object with the same key twice');
  return value;
}

const fault = (path: string, message: string): OpspawnError =>
  invalidArgument([{ in: 'body', path, message: path === '' ? `the body ${message}` : message }]);

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw fault('', `is not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const openings = new Set([0x5b, 0x7b]);
const closings = new Set([0x5d, 0x7d]);

/** How deep the text is nested, and how many object members it writes down: one per colon outside of strings. */
function measure(bytes: Buffer): { depth: number; members: number } {
  let depth = 0;
  let deepest = 0;
  let members = 0;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] ?? 0;
    if (byte === quote) index = endOfString(bytes, index);
    else if (byte === colon) members++;
    else if (openings.has(byte)) deepest = Math.max(deepest, ++depth);
    else if (closings.has(byte)) depth--;
  }
  return { depth: deepest, members };
}

/** Index of the quote that ends the string that starts at `start`. */
function endOfString(bytes: Buffer, start: number): number {
  for (let end = bytes.indexOf(quote, start + 1); end !== -1; end = bytes.indexOf(quote, end + 1)) {
    let backslashes = 0;
    while (bytes[end - 1 - backslashes] === backslash) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return bytes.length;
}

/** Recursion is safe: the depth is checked before. */
function checkValue(value: unknown, path: string, count: { members: number }): void {
  if (typeof value === 'string' && !value.isWellFormed()) throw fault(path, 'has a lone surrogate');
  if (typeof value === 'number' && !Number.isFinite(value)) throw fault(path, 'is a number out of range');
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) checkItem(value[index], path, index, count);
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    count.members++;
    if (key === '__proto__') throw fault(path + pointerTo(key), 'is a key that is not allowed');
    if (!key.isWellFormed()) throw fault(path, 'has a key with a lone surrogate');
    checkItem(item, path, key, count);
  }
}

/** Builds the path only where it may be needed: most items of a big body are plain. */
function checkItem(item: unknown, path: string, key: string | number, count: { members: number }): void {
  if (item === null || typeof item === 'boolean') return;
  checkValue(item, path + pointerTo(key), count);
}
