import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { OpspawnError } from '@opspawn/agentkit/schema';
import { messageOf, openingFailure } from './failure.ts';
import { checkOurs } from './migrate.ts';
import { checkFile } from './place.ts';
import { prepare } from './statement.ts';

/**
 * Writes what the database holds at this moment to a new file, while others go on reading and writing. The file is there
 * when it is whole, checked and on the disk. Blocks this thread. Throws `not_found` without a database, `wrong_state` for
 * a file that is there, `invalid_argument` without its folder, `config_invalid` for what is no database of ours, and
 * `unavailable` when the copy cannot be read or written.
 *
 * VACUUM INTO copies within one read transaction. SQLite's backup API would begin anew whenever another process writes.
 */
export function backUpSqlite(path: string, file: string): void {
  if (existsSync(file)) throw new OpspawnError('wrong_state', `${file} is there already`);
  if (!existsSync(dirname(file)))
    throw new OpspawnError('invalid_argument', `There is no folder ${dirname(file)} for the backup`);
  const partial = `${file}.partial`;
  rmSync(partial, { force: true });
  checkReadable(path);
  try {
    copyInto(path, partial);
    check(partial);
    sync(partial);
    renameSync(partial, file);
    sync(dirname(file));
  } catch (thrown) {
    for (const file of [partial, `${partial}-journal`]) rmSync(file, { force: true });
    throw thrown instanceof OpspawnError ? thrown : notMade(file, thrown);
  }
}

const notMade = (file: string, cause: unknown): OpspawnError =>
  new OpspawnError('unavailable', `The backup ${file} could not be made: ${messageOf(cause)}`, { cause });

/** Whatever is wrong with the database itself is said as it would be at a start. */
function checkReadable(path: string): void {
  try {
    checkFile(path);
    using database = new DatabaseSync(path, { readOnly: true, timeout: 10_000, returnArrays: true });
    checkOurs(database);
  } catch (thrown) {
    throw openingFailure(path, thrown);
  }
}

function copyInto(path: string, partial: string): void {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 10_000, returnArrays: true });
  try {
    prepare<[string]>(database, 'vacuum into ?1').run(partial);
  } finally {
    database.close();
  }
}

function check(partial: string): void {
  const database = new DatabaseSync(partial, { readOnly: true, returnArrays: true });
  try {
    const found = prepare<[], [string]>(database, 'pragma quick_check').get()?.[0];
    if (found !== 'ok') throw new OpspawnError('unavailable', `The copy is not whole: ${found}`);
  } finally {
    database.close();
  }
}

function sync(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
