/** What can be done with a database beside running on it. */
import { OpspawnError } from '@opspawn/agentkit';
import { createApiKey } from '../auth/api-key.ts';
import { checkDeciderName, checkNamespace, defaultNamespace } from '../auth/principal.ts';
import type { DatabaseSetting } from '../config.ts';
import type { ApiKeyRow } from '../storage/parts/api-keys.ts';
import type { DatabaseStatus } from '../storage/status.ts';
import { openStore } from './node.ts';

/** Looks, and changes nothing. Throws `not_found` for a file that is not there, and what the store throws. */
export async function readDatabaseStatus(database: DatabaseSetting): Promise<DatabaseStatus> {
  if (database.kind === 'postgres') {
    const { readPostgresStatus } = await import('../storage/postgres/database/status.ts');
    return await readPostgresStatus(database.url);
  }
  const { readSqliteStatus } = await import('../storage/sqlite/database/status.ts');
  return readSqliteStatus(database.path);
}

/** Brings the schema up to this program's, as every start does. Gives what the database is then. */
export async function migrateDatabase(database: DatabaseSetting): Promise<DatabaseStatus> {
  await (await openStore(database))[Symbol.asyncDispose]();
  return await readDatabaseStatus(database);
}

/** The keys of the API; what is secret in them nobody knows. */
export async function listApiKeys(database: DatabaseSetting): Promise<readonly Omit<ApiKeyRow, 'digest'>[]> {
  await using store = await openStore(database);
  return (await store.apiKeys()).map(({ digest: _, ...key }) => key);
}

/** Servers take it no more, within seconds. Throws `not_found`. */
export async function removeApiKey(database: DatabaseSetting, id: string): Promise<void> {
  await using store = await openStore(database);
  if (await store.removeApiKey(id)) return;
  throw new OpspawnError('not_found', `There is no key ${id}`, { details: { id } });
}

/**
 * Adds a key of the API, whose holder works in that namespace and sees no other, and gives its text, which nobody can find
 * again. Throws `invalid_argument` for what cannot be a namespace or a name.
 */
export async function addApiKey(
  database: DatabaseSetting,
  name: string,
  namespace: string = defaultNamespace,
): Promise<string> {
  checkNamespace(namespace);
  checkDeciderName(name);
  await using store = await openStore(database);
  const { text, id, digest } = createApiKey();
  await store.addApiKey({ id, digest, name, namespace }, { onlyFirst: false });
  return text;
}
