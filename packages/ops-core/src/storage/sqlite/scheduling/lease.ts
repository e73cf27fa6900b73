import { DatabaseSync } from 'node:sqlite';
import { monotonicNow, readBootId } from '../../../host.ts';
import { prepare } from '../database/statement.ts';

/** The clock that leases are measured by. */
export interface LeaseClock {
  /** Monotonic, in ms. */
  now(): number;
  readonly bootId: string;
  /** See `readProcessStart`, which is the default: a simulation has processes of its own. */
  processStart?(pid: number): string | undefined;
}

export const hostLeaseClock = (): LeaseClock => ({ now: monotonicNow, bootId: readBootId() });

export type HoldsLease = (workerId: string) => boolean;
/** Whether the worker still had its lease. */
export type RenewLease = (workerId: string, leaseTtlMs: number) => boolean;

export function prepareHoldsLease(database: DatabaseSync, clock: LeaseClock): HoldsLease {
  const find = prepare<[string, string, number], [number]>(
    database,
    'select 1 from workers where id = ?1 and boot_id = ?2 and lease_until_ms > ?3',
  );
  return (workerId) => find.get(workerId, clock.bootId, clock.now()) !== undefined;
}

export function prepareRenewLease(database: DatabaseSync, clock: LeaseClock): RenewLease {
  const renew = prepare<[string, string, number, number]>(
    database,
    'update workers set lease_until_ms = ?4 where id = ?1 and boot_id = ?2 and lease_until_ms > ?3',
  );
  return (workerId, leaseTtlMs) => {
    const now = clock.now();
    return renew.run(workerId, clock.bootId, now, now + leaseTtlMs).changes === 1;
  };
}

export interface LeaseConnection extends Disposable {
  /**
   * Whether the worker still had its lease. Blocks its thread for up to `busyTimeoutMs` when others write, and throws
   * SQLite's error then.
   */
  renew: RenewLease;
}

/**
 * Renews leases in a store that another thread of this host has open: a thread of its own keeps a worker's lease while
 * the worker's event loop is busy. `path` is that store's file; `busyTimeoutMs` 2,000 by default.
 */
export function openLeaseConnection(
  path: string,
  { busyTimeoutMs = 2000 }: { busyTimeoutMs?: number } = {},
): LeaseConnection {
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs, returnArrays: true });
  database.exec('pragma synchronous = full');
  return {
    renew: prepareRenewLease(database, hostLeaseClock()),
    [Symbol.dispose]: () => database.close(),
  };
}
