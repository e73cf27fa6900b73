import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type Json, OpspawnError } from '@opspawn/agentkit/schema';

/** The value of an option that takes JSON, `@FILE` or `-` for stdin. Throws `invalid_argument`, saying what is wrong. */
export async function readJson(option: string, value: string): Promise<Json> {
  if (value === '-') return parseJson(option, await text(process.stdin), 'stdin');
  if (!value.startsWith('@')) return parseJson(option, value);
  const path = value.slice(1);
  try {
    return parseJson(option, await readFile(path, 'utf8'), path);
  } catch (cause) {
    if (cause instanceof OpspawnError) throw cause;
    throw new OpspawnError(
      'invalid_argument',
      `${option}: ${path} cannot be read: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/** A task's input: JSON when the text starts with { or [, otherwise the text; or the value of `--input`. */
export async function readTaskInput(
  positional: string | undefined,
  option: string | undefined,
): Promise<Json | undefined> {
  if (positional !== undefined && option !== undefined) {
    throw new OpspawnError('invalid_argument', 'The input is given twice: as an argument and with --input');
  }
  if (option !== undefined) return readJson('--input', option);
  if (positional === undefined || !/^\s*[{[]/.test(positional)) return positional;
  return parseJson('the input', positional);
}

/** Throws `invalid_argument`, naming the option. */
export function parseJson(option: string, json: string, where = 'the value'): Json {
  try {
    return JSON.parse(json) as Json;
  } catch (cause) {
    const hint =
      'A text that starts with { or [ is read as JSON; give it with --input as a JSON string to keep it a text.';
    const details = option === 'the input' ? { hint } : {};
    throw new OpspawnError(
      'invalid_argument',
      `${option}: ${where} is not JSON: ${(cause as Error).message}`,
      { cause, details },
    );
  }
}
