import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { type Json, OpspawnError } from '@opspawn/agentkit/schema';

/** The value of an option that takes JSON, `@FILE` or `-` for stdin. Throws `invalid_argument`, saying what is wrong. */
export async function readJson(option: string, value: string): Promise<Json> {
  const isStdin = value === '-';
  if (!isStdin && !value.startsWith('@')) return parseJson(option, value);
  const where = isStdin ? 'stdin' : value.slice(1);
  let json: string;
  try {
    json = strictUtf8().decode(isStdin ? await buffer(process.stdin) : await readFile(where));
  } catch (cause) {
    const message = `${option}: ${where} cannot be read: ${(cause as Error).message}`;
    throw new OpspawnError('invalid_argument', message, { cause });
  }
  return parseJson(option, json, where);
}

/** Throws for what is not UTF-8: it would be stored with other characters in its place. */
export const strictUtf8 = (): TextDecoder => new TextDecoder('utf-8', { fatal: true });

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
