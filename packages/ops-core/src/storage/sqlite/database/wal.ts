import { closeSync, fdatasync, openSync } from 'node:fs';
import { promisify } from 'node:util';

/** The write-ahead log of an open database. */
export interface Wal extends Disposable {
  /** Resolves when all that was committed before the call is on the disk. Rejects with the system's error. */
  sync(): Promise<void>;
}

const syncData = promisify(fdatasync);

/**
 * Opens the log of a database that was written to and stays open meanwhile, so that its log is not removed. It is synced
 * from a thread of the system's pool, as SQLite would sync it within COMMIT, but without holding up the event loop or
 * the lock (ADR 0016).
 */
export function openWal(databasePath: string): Wal {
  const file = openSync(`${databasePath}-wal`, 'r+');
  return {
    sync: () => syncData(file),
    [Symbol.dispose]: () => closeSync(file),
  };
}
