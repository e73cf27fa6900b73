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
    if (version > known) throw schemaTooNew(version, known);
    checkOurs(database);
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

/** Throws `config_invalid` for a database with tables in which no migration of ours was made. One look: others may be about to make them. */
export function checkOurs(database: DatabaseSync): void {
  const look = 'select user_version, (select count(*) from sqlite_schema) from pragma_user_version';
  const [version, tables] = prepare<[], [number, number]>(database, look).get() ?? [0, 0];
  if (version === 0 && tables > 0) throw notOurs();
}

const notOurs = (): OpspawnError =>
  new OpspawnError('config_invalid', 'The database holds tables of another program', {
    details: { hint: 'Opspawn needs a file of its own: name another folder (--data) or file.' },
  });
