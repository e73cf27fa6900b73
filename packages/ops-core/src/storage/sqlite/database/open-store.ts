import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { loadVectorSearch } from '@opspawn/agentkit';
import { hostLeaseClock, type LeaseClock } from '../scheduling/lease.ts';
import { SqliteStore } from '../sqlite-store.ts';
import { isBusy, openingFailure } from './failure.ts';
import { checkOurs, migrate, versionOf } from './migrate.ts';
import { checkNotMoved } from './moved.ts';
import { watchPlace } from './place.ts';
import { openWal, type Wal } from './wal.ts';

export interface SqliteStoreOptions {
  /** A file, which is created when there is none, together with its folder; or `:memory:`. */
  path: string;
  /** How long one try to get the lock may block the event loop, in ms, at most 20. Default 5. */
  busyTimeoutMs?: number;
  /** How long others may hold the lock before callers get `unavailable`, in ms. Default 10,000. */
  giveUpAfterMs?: number;
  /** Wall clock, Unix ms. Default: the system's. */
  now?: () => number;
  /** What leases are measured by. Default: the host's. */
  leaseClock?: LeaseClock;
  /** What brings commits to the disk. Default: a sync of the database's log. */
  wal?: Wal;
}

/** How long opening waits for others that migrate or recover, in ms. */
const openTimeoutMs = 10_000;
/** Upper bound of the random pause before a locked file is opened again. */
const maxRetryDelayMs = 50;

/**
 * Opens the store in a SQLite file that other processes of this host may have open too. Throws `config_invalid` when it
 * cannot be written, is not a database of Opspawn or its data was moved elsewhere, `schema_too_new` when a later version
 * of Opspawn wrote it, and `unavailable` when the disk is full, or others hold it.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const { path, busyTimeoutMs = 5, giveUpAfterMs = 10_000, now = Date.now } = options;
  const database = await openWhenFree(path);
  database.exec(`pragma busy_timeout = ${Math.min(busyTimeoutMs, 20)}`);
  return new SqliteStore(database, {
    ...(path === ':memory:' ? { wal: undefined } : fileOf(database, path, options.wal)),
    now,
    giveUpAfterMs,
    leaseClock: options.leaseClock ?? hostLeaseClock(),
    hasVectorSearch: await loadVectorSearch(database),
  });
}

function fileOf(
  database: DatabaseSync,
  path: string,
  wal: Wal | undefined,
): { wal: Wal; checkPlace: () => void } {
  try {
    return { wal: wal ?? openWal(path), checkPlace: watchPlace(path) };
  } catch (thrown) {
    database.close();
    throw openingFailure(path, thrown);
  }
}

/**
 * SQLite waits for the lock of a write, but not for that of a first turn to WAL: of several processes that open a new
 * file at once, one is told that it is locked.
 */
async function openWhenFree(path: string): Promise<DatabaseSync> {
  const giveUpAt = performance.now() + openTimeoutMs;
  for (;;) {
    try {
      return openDatabase(path);
    } catch (thrown) {
      if (!isBusy(thrown) || performance.now() > giveUpAt) throw openingFailure(path, thrown);
    }
    await delay(1 + Math.random() * maxRetryDelayMs);
  }
}

function openDatabase(path: string): DatabaseSync {
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true });
  const database = new DatabaseSync(path, {
    timeout: openTimeoutMs,
    returnArrays: true,
    enableForeignKeyConstraints: false,
    allowExtension: true,
  });
  try {
    // What is not ours stays as it is: the journal's mode is kept in the file.
    checkOurs(database);
    // Each commit is synced all the same, before it is answered: wal.ts. A larger cache is slower: every commit walks through it. The system caches the file anyway.
    database.exec(`
      pragma journal_mode = wal;
      pragma synchronous = normal;
      pragma wal_autocheckpoint = 4000;
      pragma journal_size_limit = 67108864;
      pragma cache_size = -8000;
      pragma temp_store = memory;
    `);
    checkNotMoved(database);
    migrate(database);
    checkWritable(database);
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

/** SQLite opens a file that may only be read without a word, and begins a write on it as a read. */
function checkWritable(database: DatabaseSync): void {
  database.exec(`begin immediate; pragma user_version = ${versionOf(database)}`);
  database.exec('rollback');
}
