import { OpspawnError } from '@opspawn/agentkit/schema';
import pg from 'pg';
import { Connections, clientOptions } from './connections.ts';
import { openingFailure } from './failure.ts';
import { migrate } from './migrate.ts';
import { checkNotMoved } from './moved.ts';
import { PostgresStore } from './postgres-store.ts';

export interface PostgresStoreOptions {
  /** postgres://USER:PASSWORD@HOST:PORT/DATABASE, with libpq's parameters behind a `?`. */
  url: string;
  /** How long a database may be away before callers get `unavailable`, in ms. Default 10,000. */
  giveUpAfterMs?: number;
}

const oldestVersion = 13;

/**
 * Opens the store in a PostgreSQL database, in schemas of its own. Throws `config_invalid` for a URL, credentials or a
 * database that cannot be right, `unavailable` when the server cannot be reached, and `schema_too_new` when a later
 * version of Opspawn wrote it.
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<PostgresStore> {
  const { url, giveUpAfterMs = 10_000 } = options;
  const searchPath = await prepareDatabase(url);
  return new PostgresStore(new Connections({ url, searchPath, giveUpAfterMs }));
}

/** Brings the database up to date. Gives the search path of the connections that use it. */
export async function prepareDatabase(url: string): Promise<string> {
  return await withClient(url, async (client) => {
    await checkServer(client);
    await checkNotMoved(client);
    return await migrate(client);
  });
}

/** Over one connection, without a store. Throws as `openPostgresStore` does. */
export async function withClient<Result>(
  url: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  checkUrl(url);
  const client = new pg.Client(clientOptions(url));
  // A connection that breaks also rejects what runs on it.
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } catch (thrown) {
    throw openingFailure(thrown);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Without the URL in its message: it holds a password. */
function checkUrl(url: string): void {
  if (URL.canParse(url) && ['postgres:', 'postgresql:'].includes(new URL(url).protocol)) return;
  throw new OpspawnError(
    'config_invalid',
    'The database URL must be like postgres://USER:PASSWORD@HOST:5432/DATABASE',
  );
}

async function checkServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: number; encoding: string; is_read_only: boolean }>(
    `select current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding,
       current_setting('transaction_read_only')::bool as is_read_only`,
  );
  const [server] = rows;
  if (server === undefined) throw new OpspawnError('internal', 'The database does not say what it is');
  if (server.version < oldestVersion * 10_000)
    throw new OpspawnError('config_invalid', `PostgreSQL must be version ${oldestVersion} or later`);
  if (server.encoding !== 'UTF8')
    throw new OpspawnError(
      'config_invalid',
      `The database must be encoded in UTF8, and is in ${server.encoding}`,
    );
  if (server.is_read_only) throw new OpspawnError('config_invalid', 'The database is read-only');
}
