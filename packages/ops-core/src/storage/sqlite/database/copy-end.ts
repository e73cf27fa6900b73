import { existsSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { OpspawnError } from '@opspawn/agentkit/schema';
import type { CopiedRow, CopyEnd } from '../../copy.ts';
import { hostLeaseClock } from '../scheduling/lease.ts';
import { prepareFindGone } from '../scheduling/workers.ts';
import { type Blobs, prepareBlobs } from './blobs.ts';
import { databaseUnavailable } from './failure.ts';
import { retireDatabase } from './moved.ts';
import { openSqliteStore } from './open-store.ts';
import { prepare } from './statement.ts';

/** How long others may hold the lock, in ms. */
const lockTimeoutMs = 10_000;
const rowsPerRead = 200;
/** Of this engine, of the processes that had it open, or made again of what is copied. */
const ownTables = ['blobs', 'clock', 'workers', 'memory_vectors'];
const ownPrefix = 'memory_words';

interface Column {
  readonly name: string;
  /** Where a value that is too big for the column is. */
  readonly blob: string | undefined;
}

/**
 * A SQLite file under its write lock. The target is made when there is none. Throws `not_found` for a source that is not
 * there, `unavailable` when others keep the lock, and what opening the store throws.
 */
export async function openSqliteEnd(path: string, role: 'source' | 'target'): Promise<CopyEnd> {
  if (role === 'source' && !existsSync(path))
    throw new OpspawnError('not_found', `There is no database at ${path}`);
  // Makes it, and brings it up to date.
  await (await openSqliteStore({ path }))[Symbol.asyncDispose]();
  const database = new DatabaseSync(path, { timeout: lockTimeoutMs, returnArrays: true });
  try {
    database.exec('pragma synchronous = full; begin immediate');
    return new SqliteEnd(database);
  } catch (thrown) {
    database.close();
    throw databaseUnavailable(thrown);
  }
}

class SqliteEnd implements CopyEnd {
  readonly tables: ReadonlyMap<string, readonly string[]>;
  readonly ownColumns = new Set(['memories.position']);
  readonly #database: DatabaseSync;
  readonly #columns: ReadonlyMap<string, readonly Column[]>;
  readonly #blobs: Blobs;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#columns = new Map(tablesOf(database).map((table) => [table, columnsOf(database, table)]));
    this.tables = new Map(
      [...this.#columns].map(([table, columns]) => [table, columns.map(({ name }) => name)]),
    );
    this.#blobs = prepareBlobs(database);
  }

  async liveWorkers(): Promise<number> {
    const clock = hostLeaseClock();
    const holding = prepare<[string, number], [id: string]>(
      this.#database,
      'select id from workers where boot_id = ?1 and lease_until_ms > ?2',
    );
    const gone = prepareFindGone(this.#database, clock)();
    return holding.all(clock.bootId, clock.now()).filter(([id]) => !gone.includes(id)).length;
  }

  async isEmpty(): Promise<boolean> {
    return [...this.tables.keys()].every(
      (table) => this.#database.prepare(`select 1 from ${table} limit 1`).get() === undefined,
    );
  }

  async *read(table: string, columns: readonly string[]): AsyncGenerator<readonly CopiedRow[]> {
    const values = columns.map((name) => sqlOf(table, this.#column(table, name)));
    const rows = this.#database.prepare(`select ${values.join(', ')} from ${sourceOf(table)}`).iterate();
    let page: CopiedRow[] = [];
    for (const row of rows as Iterable<unknown> as Iterable<CopiedRow>) {
      if (page.push(row) < rowsPerRead) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  }

  async insert(table: string, names: readonly string[], rows: readonly CopiedRow[]): Promise<void> {
    const columns = names.map((name) => this.#column(table, name));
    const written = columns.flatMap(({ name, blob }) => (blob === undefined ? [name] : [name, blob]));
    const marks = written.map((_, index) => `?${index + 1}`);
    const insert = prepare<SQLInputValue[]>(
      this.#database,
      `insert into ${table} (${written.join(', ')}) values (${marks.join(', ')})`,
    );
    for (const row of rows) {
      const values = columns.flatMap(({ blob }, index): SQLInputValue[] => {
        const value = row[index] ?? null;
        if (blob === undefined) return [value];
        const text = value === null ? undefined : String(value);
        return [this.#blobs.inline(text), this.#blobs.spill(text)];
      });
      insert.get(...values);
    }
  }

  async retire(movedTo: string): Promise<void> {
    retireDatabase(this.#database, movedTo);
  }

  async commit(): Promise<void> {
    this.#database.exec('commit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#database.isOpen) return;
    if (this.#database.isTransaction) this.#database.exec('rollback');
    this.#database.close();
  }

  #column(table: string, name: string): Column {
    const column = this.#columns.get(table)?.find((each) => each.name === name);
    if (column === undefined) throw new OpspawnError('internal', `${table} has no column ${name}`);
    return column;
  }
}

const tablesOf = (database: DatabaseSync): string[] =>
  prepare<[], [string]>(
    database,
    `select name from sqlite_schema where type = 'table' and name not like 'sqlite%'`,
  )
    .all()
    .map(([name]) => name)
    .filter((name) => !ownTables.includes(name) && !name.startsWith(ownPrefix));

/** `blob_id` holds what is too big for `data`, and `input_blob` for `input`. */
function columnsOf(database: DatabaseSync, table: string): Column[] {
  const names = prepare<[string], [string]>(database, 'select name from pragma_table_info(?1)')
    .all(table)
    .map(([name]) => name);
  const blobOf = (name: string) =>
    names.find((blob) => blob === `${name}_blob` || (name === 'data' && blob === 'blob_id'));
  const blobs = names.map(blobOf);
  return names.filter((name) => !blobs.includes(name)).map((name) => ({ name, blob: blobOf(name) }));
}

/** The end of a task that completed does not say whose it is: see the schema. */
const sourceOf = (table: string): string =>
  table === 'outcomes' ? 'tasks cross join outcomes on outcomes.task_id = tasks.id' : table;

function sqlOf(table: string, { name, blob }: Column): string {
  if (table === 'outcomes' && name === 'namespace') return 'tasks.namespace';
  const column = `${table}.${name}`;
  return blob === undefined
    ? column
    : `coalesce(${column}, (select b.data from blobs b where b.id = ${table}.${blob}))`;
}
