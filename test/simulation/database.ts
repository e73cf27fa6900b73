/**
 * The real SQLite store over a database in memory that several connections share. Connections and their prepared
 * statements, which cost more than a whole run, serve one run after the other; what the store itself remembers does not.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { migrate } from '../../packages/ops-core/src/storage/sqlite/database/migrate.ts';
import { SqliteStore } from '../../packages/ops-core/src/storage/sqlite/sqlite-store.ts';
import type { VirtualTime } from './virtual-time.ts';

export const processStart = 'at the beginning';

/** `memdb` is SQLite's own file system in memory; the slash lets connections share the file. */
const path = 'file:/simulation?vfs=memdb';

type Row = readonly SQLInputValue[];

export class DatabasePool implements Disposable {
  readonly #free: DatabaseSync[] = [];
  /** Keeps the database alive, and knows what an empty one holds. */
  readonly #keeper: DatabaseSync;
  readonly #initial: ReadonlyMap<string, readonly Row[]>;

  constructor() {
    this.#keeper = connect();
    migrate(this.#keeper);
    this.#initial = new Map(
      this.rows(`select name from sqlite_schema where type = 'table' and name not like 'memor%'`).map(
        ([name]) => [String(name), this.rows(`select * from ${name}`)],
      ),
    );
  }

  take(): DatabaseSync {
    return this.#free.pop() ?? connect();
  }

  giveBack(connections: readonly DatabaseSync[]): void {
    this.#free.push(...connections);
  }

  /** What is committed. */
  rows(sql: string, ...parameters: SQLInputValue[]): Row[] {
    return this.#keeper.prepare(sql).all(...parameters) as unknown as Row[];
  }

  /** As a new database is. */
  reset(): void {
    this.#keeper.exec('begin immediate');
    for (const [table, rows] of this.#initial) {
      this.#keeper.prepare(`delete from ${table}`).run();
      for (const row of rows) {
        this.#keeper.prepare(`insert into ${table} values (${row.map(() => '?').join(', ')})`).run(...row);
      }
    }
    this.#keeper.exec('commit');
  }

  [Symbol.dispose](): void {
    for (const connection of [...this.#free, this.#keeper]) connection.close();
  }
}

function connect(): DatabaseSync {
  const database = new DatabaseSync(path, { returnArrays: true, enableForeignKeyConstraints: false });
  database.exec('pragma journal_mode = memory; pragma synchronous = off; pragma temp_store = memory;');
  const prepare = database.prepare.bind(database);
  const prepared = new Map<string, StatementSync>();
  database.prepare = (sql) => {
    const statement = prepared.get(sql) ?? prepare(sql);
    prepared.set(sql, statement);
    return statement;
  };
  return database;
}

/** The database of one run. Its clock is one of its own, as on PostgreSQL; leases are measured by the virtual time. */
export class SimulatedDatabase implements Disposable {
  clockOffsetMs = 0;
  readonly #pool: DatabasePool;
  readonly #time: VirtualTime;
  readonly #taken: DatabaseSync[] = [];
  /** A dead process is known to be dead; otherwise its lease has to run out. */
  readonly #isOneHost: boolean;

  constructor(pool: DatabasePool, time: VirtualTime) {
    this.#pool = pool;
    this.#time = time;
    this.#isOneHost = time.random.chance(0.3);
    pool.reset();
  }

  /** A store as a process has one. */
  open(): SqliteStore {
    const connection = this.#pool.take();
    this.#taken.push(connection);
    return new SqliteStore(connection, {
      now: () => this.#time.trueWallClock() + this.clockOffsetMs,
      giveUpAfterMs: 1_000,
      leaseClock: {
        now: () => Math.floor(this.#time.now),
        bootId: 'simulated',
        processStart: (pid) => (this.#isOneHost && !this.#time.isAlive(pid) ? undefined : processStart),
      },
      hasVectorSearch: false,
      wal: undefined,
    });
  }

  rows(sql: string, ...parameters: SQLInputValue[]): Row[] {
    return this.#pool.rows(sql, ...parameters);
  }

  [Symbol.dispose](): void {
    this.#pool.giveBack(this.#taken);
  }
}
