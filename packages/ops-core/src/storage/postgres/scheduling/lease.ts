import pg from 'pg';
import { connectionOptions } from '../database/connection-options.ts';
import type { Statement } from '../database/connections.ts';

export const renewLease: Statement<[id: string]> = {
  name: 'renew_lease',
  text: `update workers set lease_ttl_ms = $2, lease_until_at = now_ms() + $2 where id = $1 and lease_until_at > now_ms()
    returning id`,
};

export interface LeaseConnection extends AsyncDisposable {
  /** Whether the worker still had its lease. Throws the driver's error; the next call connects again. */
  renew(workerId: string, leaseTtlMs: number): Promise<boolean>;
}

/** A renewal that takes longer comes too late to be of use, in ms. */
const renewTimeoutMs = 5_000;

/**
 * Renews leases over a connection of its own: a thread of its own keeps a worker's lease while the worker's event loop
 * is busy. The store must have been opened at this `url` before. Little is imported here: the thread starts with each
 * worker, and would take a core from it for a tenth of a second.
 */
export function openLeaseConnection(url: string): LeaseConnection {
  const pool = new pg.Pool({
    ...connectionOptions(url),
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
      const { rowCount } = await pool.query({ ...renewLease, values: [workerId, leaseTtlMs] });
      return rowCount === 1;
    },
    [Symbol.asyncDispose]: () => pool.end(),
  };
}
