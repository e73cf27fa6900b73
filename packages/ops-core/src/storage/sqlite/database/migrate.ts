import { readdirSync, readFileSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { OpspawnError } from '@opspawn/agentkit/schema';
import { schemaTooNew } from '../../refusals.ts';
import { prepare } from './statement.ts';

const folder = new URL('../migrations/', import.meta.url);

/** The numbered files, in order; the number of the last one is the version of the schema. */
export function readMigrations(upTo = Number.POSITIVE_INFINITY): { version: number; file: string }[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .map((file) => ({ version: Number.parseInt(file, 10), file }))
    .filter(({ version }) => version <= upTo)
    .sort((a, b) => a.version - b.version);
}

/**
 * Brings the schema up to this program's version, under the write lock, so that several processes may start at once.
 * Throws `schema_too_new` for a database of a later program, and `config_invalid` for one that is not ours.
 */
export function migrate(database: DatabaseSync, upTo = Number.POSITIVE_INFINITY): void {
  const migrations = readMigrations(upTo);
  const known = migrations.at(-1)?.version ?? 0;
  if (versionOf(database) === known) return;
  database.exec('begin immediate');
  try {
    const version = versionOf(database);
    checkOrigin(database, version, known);
    for (const migration of migrations.filter((one) => one.version > version)) {
      database.exec(readFileSync(new URL(migration.file, folder), 'utf8'));
      database.exec(`pragma user_version = ${migration.version}`);
    }
    database.exec('commit');
  } catch (thrown) {
    if (database.isTransaction) database.exec('rollback');
    throw thrown;
  }
}

export const versionOf = (database: DatabaseSync): number =>
  prepare<[], [number]>(database, 'pragma user_version').get()?.[0] ?? 0;

/** Asked under the lock only: between two looks another process may have made the schema. */
function checkOrigin(database: DatabaseSync, version: number, known: number): void {
  if (version > known) throw schemaTooNew(version, known);
  const tables = prepare<[], [number]>(database, 'select count(*) from sqlite_schema').get()?.[0] ?? 0;
  if (version === 0 && tables > 0) throw notOurs();
}

const notOurs = (): OpspawnError =>
  new OpspawnError('config_invalid', 'The database holds tables of another program', {
    details: { hint: 'Opspawn needs a file of its own: name another folder (--data) or file.' },
  });
