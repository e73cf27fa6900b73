import { withClient } from './open-store.ts';

/**
 * What no other database says of itself, also none that was restored or copied from this one: when its tables were made
 * (microseconds), and its number in the server. Throws as `openPostgresStore` does.
 */
export async function readPostgresIdentity(url: string): Promise<string> {
  return await withClient(url, async (client) => {
    const { rows } = await client.query<{ identity: string }>(
      `select (select (extract(epoch from min(at)) * 1000000)::bigint from opspawn.migrations) || ' ' || oid as identity
       from pg_database where datname = current_database()`,
    );
    return rows[0]?.identity ?? '';
  });
}
