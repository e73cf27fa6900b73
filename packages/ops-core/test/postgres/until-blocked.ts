import pg from 'pg';

/** Resolves when a connection to this database waits for a lock of another. */
export async function untilBlocked(url: string): Promise<void> {
  // A connection of its own: what a transaction sees of others does not change.
  const watching = new pg.Client({ connectionString: url });
  await watching.connect();
  try {
    const isWaiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    while ((await watching.query(isWaiting)).rowCount === 0);
  } finally {
    await watching.end();
  }
}
