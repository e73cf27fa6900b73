import type { DatabaseSync } from 'node:sqlite';
import { OpspawnError } from '@opspawn/agentkit/schema';
import { prepare } from './statement.ts';

/** Values longer than this, in UTF-16 units, get a row of their own. */
const inlineLength = 65_536;
const maxLength = 64 * 1024 * 1024;

export type Blobs = ReturnType<typeof prepareBlobs>;

/** A text column and its `blob_id` share a value: one of them is null. */
export function prepareBlobs(database: DatabaseSync) {
  const insert = prepare<[string]>(database, 'insert into blobs (data) values (?1)');
  const remove = prepare<[number]>(database, 'delete from blobs where id = ?1');

  return {
    /** The value for the column itself. */
    inline: (text: string | undefined): string | null =>
      text === undefined || text.length > inlineLength ? null : text,

    /** Stores what is too long for the column. Throws `payload_too_large`. */
    spill(text: string | undefined): number | null {
      if (text === undefined || text.length <= inlineLength) return null;
      if (text.length > maxLength) throw payloadTooLarge(text.length);
      return Number(insert.run(text).lastInsertRowid);
    },

    /** Takes a value back whose row turned out to be there already. */
    discard(blobId: number | null): void {
      if (blobId !== null) remove.get(blobId);
    },
  };
}

/** SQL of the value that a row of the table with this alias has in `column` or in its blob. */
export const textOf = (alias: string, column: string, blobColumn = 'blob_id'): string =>
  `coalesce(${alias}.${column}, (select b.data from blobs b where b.id = ${alias}.${blobColumn}))`;

const payloadTooLarge = (length: number): OpspawnError =>
  new OpspawnError('payload_too_large', `A value of ${length} characters is over the limit of ${maxLength}`, {
    details: { length, maxLength },
  });
