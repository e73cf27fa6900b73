import { OpspawnError } from '@opspawn/agentkit/schema';
import { idAt } from '../../rows/id-time.ts';

const maxLength = 64 * 1024 * 1024;

/**
 * A value as PostgreSQL can keep it: its text has no U+0000, which is written as U+0001 "0", and U+0001 as U+0001 "1".
 * Throws `payload_too_large` over 64 Mi characters.
 */
export function toText(value: string): string {
  if (value.length > maxLength) throw payloadTooLarge(value.length);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  return /[\u0000\u0001]/.test(value) ? value.replace(/[\u0000\u0001]/g, escaped) : value;
}

/** The value that `toText` made the text of. */
export const fromText = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what was put in
  text.includes('\u0001') ? text.replace(/\u0001[01]/g, (pair) => (pair[1] === '0' ? '\0' : '\u0001')) : text;

const escaped = (character: string): string => (character === '\0' ? '\u00010' : '\u00011');

/** The same for all strings within a value, as JSON. Half of a surrogate pair becomes U+FFFD, as it does in UTF-8. */
export const toJsonText = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'string' ? toText(inner).toWellFormed() : inner,
  );

/** The value that `toJsonText` made the text of. */
export const fromJsonText = (text: string): unknown =>
  JSON.parse(
    text,
    text.includes('\\u0001')
      ? (_key, inner: unknown) => (typeof inner === 'string' ? fromText(inner) : inner)
      : undefined,
  );

export const nilUuid = '00000000-0000-0000-0000-000000000000';

/** The least one of this time (RFC 9562, section 5.7). */
export const uuidAt = (unixMs: number): string => `${idAt(unixMs)}-0000-0000-000000000000`;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export const isUuid = (text: string): boolean => uuid.test(text);

const payloadTooLarge = (length: number): OpspawnError =>
  new OpspawnError('payload_too_large', `A value of ${length} characters is over the limit of ${maxLength}`, {
    details: { length, maxLength },
  });
