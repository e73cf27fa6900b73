import type { ClientBase } from 'pg';
import { databaseRefused } from '../../refusals.ts';

/** Rounds of statements on two connections; idle poolers give themselves away in the first. */
const rounds = 5;

async function backendOf(client: ClientBase): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]?.pid ?? 0;
}

/**
 * Throws `config_invalid` for a pooler that gives each transaction another session of the server, as PgBouncer does in
 * transaction mode: settings, prepared statements and LISTEN would go astray without a word, now and then.
 *
 * A pooler tells every client a process id of its own, also where it keeps the session; only then is it tried out, over
 * a second connection: no two clients that keep their sessions ever see the same backend, nor does one see it change.
 */
export async function checkSession(
  client: ClientBase,
  place: string,
  connect: () => Promise<ClientBase & { end(): Promise<void> }>,
): Promise<void> {
  const first = await backendOf(client);
  if ((client as { processID?: unknown }).processID === first) return;
  const other = await connect();
  try {
    for (let round = 0; round < rounds; round += 1) {
      const isShared = (await backendOf(other)) === first || (await backendOf(client)) !== first;
      if (isShared) throw sessionsAreShared(place);
    }
  } finally {
    await other.end().catch(() => {});
  }
}

const sessionsAreShared = (place: string) =>
  databaseRefused({
    place,
    reason:
      'a pooler on the way gives each transaction another session, as PgBouncer does with pool_mode = transaction',
    hint: 'Connect to PostgreSQL itself, or have the pooler keep sessions (pool_mode = session): prepared statements, settings and LISTEN need one.',
  });
