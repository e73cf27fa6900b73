import type pg from 'pg';

const connectTimeoutMs = 5_000;

/** Settings of every connection to the database. Imports nothing: a thread that starts with each worker needs it. */
export const connectionOptions = (url: string): pg.ClientConfig => ({
  connectionString: url,
  application_name: 'opspawn',
  connectionTimeoutMillis: connectTimeoutMs,
  keepAlive: true,
});
