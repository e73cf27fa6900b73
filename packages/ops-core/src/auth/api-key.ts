import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * A key reads `opspawn_ID_SECRET`: a prefix by which scanners for leaked secrets know it, an id that is no secret, 32
 * random bytes, and a checksum that finds slips of the hand without asking anybody. Only the id and a digest are kept.
 */
const pattern = /^(opspawn_([0-9a-f]{16})_([0-9a-f]{64}))([0-9a-f]{8})$/;

/** Of what a key is known by. `digest` is hexadecimal. */
export interface KeyFacts {
  readonly id: string;
  readonly digest: string;
}

/** A new key: its text, which nobody can find again, and what is kept. */
export function createApiKey(): KeyFacts & { readonly text: string } {
  const id = randomBytes(8).toString('hex');
  const secret = randomBytes(32).toString('hex');
  const head = `opspawn_${id}_${secret}`;
  return { text: `${head}${checksumOf(head)}`, id, digest: digestOf(secret) };
}

/** undefined for what cannot be a key. */
export function readApiKey(text: string): KeyFacts | undefined {
  const [, head = '', id = '', secret = '', checksum] = pattern.exec(text) ?? [];
  return checksum !== undefined && checksumOf(head) === checksum
    ? { id, digest: digestOf(secret) }
    : undefined;
}

/** Takes as long for any two. */
export const isSameDigest = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

const checksumOf = (head: string): string => crc32(head).toString(16).padStart(8, '0');

/** Nobody can guess 32 random bytes, so that a fast digest is as good as a slow one. */
const digestOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');
