import { OpspawnError } from '@opspawn/agentkit/schema';
import pg from 'pg';
import { withoutPassword } from '../../../config.ts';
import { databaseRefused } from '../../refusals.ts';
import { PostgresStore } from '../postgres-store.ts';
import { Connections, clientOptions } from './connections.ts';
import { messageOf } from './failure.ts';
import { migrate } from './migrate.ts';
import { checkNotMoved } from './moved.ts';
import { notWritable, openingFailure } from './opening-failure.ts';
import { checkSession } from './session.ts';

export interface PostgresStoreOptions {
  /** postgres://USER:PASSWORD@HOST:PORT/DATABASE, with libpq's parameters behind a `?`. */
  url: string;
  /** That the store opens at most, 3 or more. Default 11. */
  connections?: number;
  /** How long a database may be away before callers get `unavailable`, in ms. Default 10,000. */
  giveUpAfterMs?: number;
}

const oldestVersion = 13;
/** A pooler that has no second session to give lets its clients wait. */
const probeTimeoutMs = 5_000;
const urlExample = 'postgres://USER:PASSWORD@HOST:5432/DATABASE';

/**
 * Opens the store in a PostgreSQL database, in schemas of its own. Throws `config_invalid` for a URL, credentials or a
 * database that cannot be right, `unavailable` when the server cannot be reached, and `schema_too_new` when a later
 * version of Opspawn wrote it.
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<PostgresStore> {
  const { url, connections = 11, giveUpAfterMs = 10_000 } = options;
  const searchPath = await prepareDatabase(url);
  return new PostgresStore(new Connections({ url, searchPath, connections, giveUpAfterMs }));
}

/** Brings the database up to date. Gives the search path of the connections that use it. */
export async function prepareDatabase(url: string): Promise<string> {
  return await withClient(url, async (client) => {
    const place = withoutPassword(url);
    await checkServer(client, place);
    await checkNotMoved(client);
    const searchPath = await migrate(client);
    await checkRights(client, place, searchPath);
    return searchPath;
  });
}

/** Over one connection, without a store. Throws as `openPostgresStore` does. */
export async function withClient<Result>(
  url: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  try {
    const client = await connectTo(url);
    try {
      await checkSession(client, withoutPassword(url), () =>
        connectTo(url, { query_timeout: probeTimeoutMs }),
      );
      return await work(client);
    } finally {
      await client.end().catch(() => {});
    }
  } catch (thrown) {
    throw openingFailure(url, thrown);
  }
}

async function connectTo(url: string, settings: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = clientOf(url, settings);
  // A connection that breaks also rejects what runs on it.
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (thrown) {
    await client.end().catch(() => {});
    throw thrown;
  }
}

/** pg reads the URL in its own way, and the certificates that it names. */
function clientOf(url: string, settings: pg.ClientConfig): pg.Client {
  const hint = `It must be like ${urlExample}`;
  if (!URL.canParse(url) || !['postgres:', 'postgresql:'].includes(new URL(url).protocol))
    throw new OpspawnError('config_invalid', 'The database URL is not one of PostgreSQL', {
      details: { hint },
    });
  try {
    return new pg.Client({ ...clientOptions(url), ...settings });
  } catch (cause) {
    throw databaseRefused({ place: withoutPassword(url), reason: messageOf(cause), hint, cause });
  }
}

async function checkServer(client: pg.Client, place: string): Promise<void> {
  const { rows } = await client.query<{ version: number; encoding: string; is_read_only: boolean }>(
    `select current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding,
       current_setting('transaction_read_only')::bool as is_read_only`,
  );
  const [server] = rows;
  if (server === undefined) throw new OpspawnError('internal', 'The database does not say what it is');
  const refuse = (reason: string, hint: string) => databaseRefused({ place, reason, hint });
  if (server.version < oldestVersion * 10_000)
    throw refuse('its version is too old', `Opspawn needs PostgreSQL ${oldestVersion} or later.`);
  if (server.encoding !== 'UTF8')
    throw refuse(
      `it is encoded in ${server.encoding}`,
      "Create one with encoding 'UTF8' (and template template0).",
    );
  if (server.is_read_only) throw refuse('it is read-only', notWritable);
}

/** A role that may only look would be told so by every write. */
async function checkRights(client: pg.Client, place: string, searchPath: string): Promise<void> {
  const { rows } = await client.query<{ role: string; name: string; owner: string }>(
    `select current_user as role, relname as name, pg_get_userbyid(relowner) as owner from pg_class
     where relnamespace = 'opspawn'::regnamespace and relkind = 'r' and relname not in ('migrations', 'moved')
       and not (has_table_privilege(oid, 'select') and has_table_privilege(oid, 'insert')
         and has_table_privilege(oid, 'update') and has_table_privilege(oid, 'delete'))
     union all
     select current_user, nspname, pg_get_userbyid(nspowner) from pg_namespace
     where nspname = any($1) and not has_schema_privilege(oid, 'usage') limit 1`,
    [searchPath.split(', ')],
  );
  const [lacking] = rows;
  if (lacking === undefined) return;
  const { role, name, owner } = lacking;
  throw databaseRefused({
    place,
    reason: `the role ${role} may not read and write ${name}`,
    hint: `Name the role ${owner} instead, which owns it, or let the one act as the other: grant "${owner}" to "${role}".`,
  });
}
