import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { OpspawnError } from '@opspawn/agentkit/schema';
import type { ClientBase } from 'pg';
import { schemaTooNew } from '../../refusals.ts';

/** The schema of the tables. */
const tables = 'opspawn';

interface SqlFile {
  readonly file: string;
  readonly text: string;
}

function readFolder(folder: URL): SqlFile[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => ({ file, text: readFileSync(new URL(file, folder), 'utf8') }));
}

/** The numbered files, in order; the number of the last one is the version of the schema. */
export const readMigrations = (): (SqlFile & { version: number })[] =>
  readFolder(new URL('../migrations/', import.meta.url)).map((migration) => ({
    ...migration,
    version: Number.parseInt(migration.file, 10),
  }));

/**
 * Brings the tables up to this program's version and puts its functions beside them, in one transaction under an
 * advisory lock, so that several processes may start at once. Gives the search path of the connections that use them.
 *
 * The functions have a schema named by their digest: programs of two versions run side by side on the same tables, each
 * with its own. Throws `schema_too_new` for a database of a later program, and `config_invalid` for one that is not ours.
 */
export async function migrate(client: ClientBase, upTo = Number.POSITIVE_INFINITY): Promise<string> {
  const migrations = readMigrations().filter(({ version }) => version <= upTo);
  const known = migrations.at(-1)?.version ?? 0;
  const functions = readFolder(new URL('../functions/', import.meta.url));
  const digest = createHash('sha256').update(JSON.stringify(functions)).digest('hex').slice(0, 16);
  const searchPath = `${tables}_${digest}, ${tables}`;
  if (await isUpToDate(client, known, digest)) return searchPath;
  // In a stricter one whoever waited would look at what there was before.
  await client.query('begin isolation level read committed');
  try {
    // Bounds that a role or database has for its users would cut off whoever waits here, and long migrations.
    await client.query('set local statement_timeout = 0; set local lock_timeout = 0');
    await client.query(`select pg_advisory_xact_lock(hashtext('${tables} migrations'))`);
    const version = await versionOf(client, known);
    await client.query(`create schema if not exists ${tables}; set local search_path = ${tables};
      create table if not exists migrations (version integer primary key, at timestamptz not null default now())`);
    for (const migration of migrations.filter((one) => one.version > version)) {
      await client.query(migration.text);
      await client.query('insert into migrations (version) values ($1)', [migration.version]);
    }
    await installFunctions(client, `${tables}_${digest}`, functions);
    await client.query('commit');
  } catch (thrown) {
    await client.query('rollback').catch(() => {});
    throw thrown;
  }
  return searchPath;
}

async function isUpToDate(client: ClientBase, known: number, digest: string): Promise<boolean> {
  const { rowCount } = await client.query('select from pg_namespace where nspname = $1', [
    `${tables}_${digest}`,
  ]);
  return rowCount === 1 && (await versionOf(client, known)) === known;
}

/** Of the tables; 0 when there are none. Throws `config_invalid` for a database that is not ours. */
export async function readVersion(client: ClientBase): Promise<number> {
  const { rows } = await client.query<{ holds_schema: boolean; holds_migrations: boolean }>(
    `select to_regnamespace('${tables}') is not null as holds_schema,
       to_regclass('${tables}.migrations') is not null as holds_migrations`,
  );
  if (rows[0]?.holds_migrations !== true) {
    if (rows[0]?.holds_schema === true) throw notOurs();
    return 0;
  }
  const found = await client.query<{ version: number }>(
    `select coalesce(max(version), 0) as version from ${tables}.migrations`,
  );
  return found.rows[0]?.version ?? 0;
}

async function versionOf(client: ClientBase, known: number): Promise<number> {
  const version = await readVersion(client);
  if (version > known) throw schemaTooNew(version, known);
  return version;
}

async function installFunctions(
  client: ClientBase,
  schema: string,
  files: readonly SqlFile[],
): Promise<void> {
  const { rowCount } = await client.query('select from pg_namespace where nspname = $1', [schema]);
  if (rowCount !== 0) return;
  // They call each other: bodies are checked when they run.
  await client.query(`create schema ${schema}; set local search_path = ${schema}, ${tables};
    set local check_function_bodies = off`);
  for (const { text } of files) await client.query(text);
}

const notOurs = (): OpspawnError =>
  new OpspawnError('config_invalid', `The database has a schema "${tables}" of another program`, {
    details: { hint: 'Give Opspawn a database in which no other program uses that name.' },
  });
