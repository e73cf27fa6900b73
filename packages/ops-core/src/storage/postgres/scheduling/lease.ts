import pg from 'pg';
import { clientOptions } from '../database/connections.ts';
import { databaseUnavailable } from '../database/failure.ts';
import { renewLease } from './workers.ts';

export interface LeaseConnection extends AsyncDisposable {
  /** Whether the worker still had its lease. Throws `unavailable`; the next call connects again. */
  renew(workerId: string, leaseTtlMs: number): Promise<boolean>;
}

/** A renewal that takes longer comes too late to be of use, in ms. */
const renewTimeoutMs = 5_000;

/**
 * Renews leases over a connection of its own: a thread of its own keeps a worker's lease while the worker's event loop
 * is busy. The store must have been opened at this `url` before.
 */
export function openLeaseConnection(url: string): LeaseConnection {
  const pool = new pg.Pool({
    ...clientOptions(url),
    max: 1,
    query_timeout: renewTimeoutMs,
    // The functions of this program are not needed: now_ms stands beside the tables.
    onConnect: (async (client: pg.ClientBase) => {
      await client.query('set search_path = opspawn');
    }) as (client: pg.ClientBase) => void,
  });
  pool.on('error', () => {});
  return {
    async renew(workerId, leaseTtlMs) {
      try {
        const { rowCount } = await pool.query({ ...renewLease, values: [workerId, leaseTtlMs] });
        return rowCount === 1;
      } catch (thrown) {
        throw databaseUnavailable(thrown);
      }
    },
    [Symbol.asyncDispose]: () => pool.end(),
  };
}
