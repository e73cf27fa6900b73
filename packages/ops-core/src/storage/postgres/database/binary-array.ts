/**
 * One-dimensional arrays in PostgreSQL's binary format (src/backend/utils/adt/arrayfuncs.c, array_recv), for `unnest`:
 * nothing to escape and nothing to parse, which made whole batches about a fifth cheaper.
 */
import { OpspawnError } from '@opspawn/agentkit/schema';
import { isUuid, toText } from './text.ts';

const oids = { int4: 23, int8: 20, text: 25, uuid: 2950 } as const;
const headerBytes = 20;

type Nullable<Value> = Value | null | undefined;

/**
 * Writes each value with its length before it; `write` gives the number of bytes that it wrote at the offset. A column
 * without any value is null: `unnest` fills up what is shorter.
 */
function encode<Value>(
  oid: number,
  values: readonly Nullable<Value>[],
  maxBytesOf: (value: Value) => number,
  write: (buffer: Buffer, value: Value, offset: number) => number,
): Buffer | null {
  let maxBytes = headerBytes + 4 * values.length;
  let nulls = 0;
  for (const value of values) {
    if (value === undefined || value === null) nulls += 1;
    else maxBytes += maxBytesOf(value);
  }
  if (nulls === values.length) return null;
  const buffer = Buffer.allocUnsafe(maxBytes);
  buffer.writeInt32BE(1, 0);
  buffer.writeInt32BE(nulls > 0 ? 1 : 0, 4);
  buffer.writeInt32BE(oid, 8);
  buffer.writeInt32BE(values.length, 12);
  buffer.writeInt32BE(1, 16);
  let offset = headerBytes;
  for (const value of values) {
    const bytes = value === undefined || value === null ? -1 : write(buffer, value, offset + 4);
    buffer.writeInt32BE(bytes, offset);
    offset += 4 + Math.max(bytes, 0);
  }
  return buffer.subarray(0, offset);
}

export const int4Array = (values: readonly Nullable<number>[]): Buffer | null =>
  encode(
    oids.int4,
    values,
    () => 4,
    (buffer, value, offset) => buffer.writeInt32BE(value, offset) - offset,
  );

export const int8Array = (values: readonly Nullable<number>[]): Buffer | null =>
  encode(
    oids.int8,
    values,
    () => 8,
    (buffer, value, offset) => buffer.writeBigInt64BE(BigInt(value), offset) - offset,
  );

/** Throws `invalid_argument` for what is no UUID. */
export const uuidArray = (values: readonly Nullable<string>[]): Buffer | null =>
  encode(
    oids.uuid,
    values,
    () => 16,
    (buffer, value, offset) => {
      if (!isUuid(value)) throw new OpspawnError('invalid_argument', `${JSON.stringify(value)} is no UUID`);
      return buffer.write(value.replaceAll('-', ''), offset, 'hex');
    },
  );

/** Throws `payload_too_large`. */
export const textArray = (values: readonly Nullable<string>[]): Buffer | null =>
  encode(
    oids.text,
    values,
    // A UTF-16 unit is at most three bytes of UTF-8, and one that is replaced becomes two of one byte.
    (value) => 3 * value.length,
    (buffer, value, offset) => buffer.write(toText(value), offset),
  );
