import { OpspawnError } from '@opspawn/agentkit/schema';
import pg from 'pg';
import type { CopiedRow, CopyEnd } from '../../copy.ts';
import { clientOptions } from './connections.ts';
import { refusalOf } from './failure.ts';
import { retireDatabase } from './moved.ts';
import { prepareDatabase } from './open-store.ts';
import { openingFailure } from './opening-failure.ts';
import { toText } from './text.ts';

const rowsPerRead = 200;
/** Of the processes that were connected, of the schema, or made again of what is copied. */
const ownTables = ['migrations', 'workers', 'memory_vectors'];

interface Column {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly isIdentity: boolean;
}

/** A database of PostgreSQL with its tables locked against writes. Throws what opening the store throws. */
export async function openPostgresEnd(url: string): Promise<CopyEnd> {
  await prepareDatabase(url);
  const client = new pg.Client(clientOptions(url));
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query(
      `set search_path = opspawn; set lock_timeout = '10s'; set statement_timeout = 0; set jit = off`,
    );
    const columns = await columnsOf(client);
    const tables = [...new Set(columns.map(({ table }) => table)), 'workers'];
    // The snapshot is taken behind the locks: what was being written is there.
    await client.query('begin isolation level repeatable read');
    await client.query(`lock table ${tables.join(', ')} in share row exclusive mode`);
    return new PostgresEnd(client, columns);
  } catch (thrown) {
    await client.end().catch(() => {});
    throw openingFailure(url, thrown);
  }
}

async function columnsOf(client: pg.Client): Promise<Column[]> {
  const { rows } = await client.query<Column>(
    `select c.relname as table, a.attname as name, format_type(a.atttypid, null) as type,
       a.attidentity <> '' as "isIdentity"
     from pg_class c join pg_attribute a on a.attrelid = c.oid
     where c.relnamespace = 'opspawn'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
       and c.relname <> all($1) order by c.relname, a.attnum`,
    [ownTables],
  );
  return rows;
}

class PostgresEnd implements CopyEnd {
  readonly tables: ReadonlyMap<string, readonly string[]>;
  /** Numbers of claims are those of workers, which stay behind. */
  readonly ownColumns = new Set(['queue.claim_no']);
  readonly #client: pg.Client;
  readonly #columns: readonly Column[];
  #isCommitted = false;

  constructor(client: pg.Client, columns: readonly Column[]) {
    this.#client = client;
    this.#columns = columns;
    const byTable = Map.groupBy(columns, ({ table }) => table);
    this.tables = new Map([...byTable].map(([table, all]) => [table, all.map(({ name }) => name)]));
  }

  async liveWorkers(): Promise<number> {
    const { rows } = await this.#query<[number]>(
      'select count(*)::int from workers where lease_until_at > now_ms()',
    );
    return rows[0]?.[0] ?? 0;
  }

  async isEmpty(): Promise<boolean> {
    for (const table of this.tables.keys())
      if ((await this.#query(`select 1 from ${table} limit 1`)).rows.length > 0) return false;
    return true;
  }

  async *read(table: string, columns: readonly string[]): AsyncGenerator<readonly CopiedRow[]> {
    const values = columns.map((name) => (this.#typeOf(table, name) === 'boolean' ? `${name}::int` : name));
    await this.#query(`declare copied cursor for select ${values.join(', ')} from ${table}`);
    for (;;) {
      const { rows } = await this.#query<CopiedRow>(`fetch ${rowsPerRead} from copied`);
      if (rows.length > 0) yield rows;
      if (rows.length < rowsPerRead) break;
    }
    await this.#query('close copied');
  }

  async insert(table: string, columns: readonly string[], rows: readonly CopiedRow[]): Promise<void> {
    const arrays = columns.map((name, index) => `$${index + 1}::${this.#arrayTypeOf(table, name)}[]`);
    const values = columns.map((name) =>
      this.#typeOf(table, name) === 'boolean' ? `x.${name} = 1` : `x.${name}`,
    );
    await this.#query(
      `insert into ${table} (${columns.join(', ')}) overriding system value
       select ${values.join(', ')} from unnest(${arrays.join(', ')}) as x (${columns.join(', ')})`,
      columns.map((_, index) =>
        rows.map((row) => {
          const value = row[index] ?? null;
          return typeof value === 'string' ? toText(value) : value;
        }),
      ),
    );
  }

  async retire(movedTo: string): Promise<void> {
    await retireDatabase(this.#client, movedTo);
  }

  async commit(): Promise<void> {
    for (const { table, name, isIdentity } of this.#columns)
      if (isIdentity)
        await this.#query(
          `select setval(pg_get_serial_sequence('opspawn.${table}', '${name}'), max(${name})) from ${table}`,
        );
    await this.#query('commit');
    this.#isCommitted = true;
    // Plans of lists are made by what is known of the tables. Only speed is lost without.
    await this.#query(`analyze ${[...this.tables.keys()].join(', ')}`).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isCommitted) await this.#client.query('rollback').catch(() => {});
    await this.#client.end();
  }

  /** Truth values come as 0 and 1. */
  #arrayTypeOf(table: string, name: string): string {
    const type = this.#typeOf(table, name);
    return type === 'boolean' ? 'integer' : type;
  }

  #typeOf(table: string, name: string): string {
    const column = this.#columns.find((each) => each.table === table && each.name === name);
    if (column === undefined) throw new OpspawnError('internal', `${table} has no column ${name}`);
    return column.type;
  }

  async #query<Row extends readonly unknown[]>(text: string, values: readonly unknown[] = []) {
    try {
      return await this.#client.query<Row[] & Row>({ text, values: [...values], rowMode: 'array' });
    } catch (thrown) {
      throw refusalOf(thrown);
    }
  }
}
