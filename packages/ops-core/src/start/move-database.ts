/** What is done with a whole database: moved to another place, or written to a file. */
import { OpspawnError } from '@opspawn/agentkit';
import { type DatabaseSetting, describeDatabase } from '../config.ts';
import type { CopyEnd } from '../storage/copy.ts';

export interface MoveOptions {
  /** The source goes on as it was, beside its copy. Default: it takes nothing more. */
  keepSource?: boolean;
  /** A table is read and written; it is compared later. */
  onTable?: (table: string, rows: number) => void;
}

/**
 * Moves all there is into an empty database, all or nothing: see `copyStore`. Gives the number of rows by table. Throws
 * `wrong_state` while workers live on the source, or when the target is not empty.
 */
export async function moveDatabase(
  from: DatabaseSetting,
  to: DatabaseSetting,
  { keepSource = false, onTable }: MoveOptions = {},
): Promise<ReadonlyMap<string, number>> {
  if (describeDatabase(from) === describeDatabase(to))
    throw new OpspawnError('invalid_argument', 'Source and target are the same database');
  await using source = await openEnd(from, 'source');
  await using target = await openEnd(to, 'target');
  const { copyStore } = await import('../storage/copy.ts');
  return await copyStore(source, target, {
    ...(keepSource ? {} : { movedTo: describeDatabase(to) }),
    ...(onTable === undefined ? {} : { onTable }),
  });
}

async function openEnd(database: DatabaseSetting, role: 'source' | 'target'): Promise<CopyEnd> {
  if (database.kind === 'postgres') {
    const { openPostgresEnd } = await import('../storage/postgres/database/copy-end.ts');
    return await openPostgresEnd(database.url);
  }
  if (database.path === ':memory:')
    throw new OpspawnError('invalid_argument', 'A database in memory cannot be copied');
  const { openSqliteEnd } = await import('../storage/sqlite/database/copy-end.ts');
  return await openSqliteEnd(database.path, role);
}

/**
 * Writes a SQLite database to a new file while others use it: see `backUpSqlite`. Throws `invalid_argument` for
 * PostgreSQL, which has tools of its own.
 */
export async function backUpDatabase(database: DatabaseSetting, file: string): Promise<void> {
  if (database.kind === 'postgres')
    throw new OpspawnError(
      'invalid_argument',
      'Back PostgreSQL up by its own means: pg_dump, or base backups and its log (PITR)',
    );
  const { backUpSqlite } = await import('../storage/sqlite/database/backup.ts');
  backUpSqlite(database.path, file);
}
