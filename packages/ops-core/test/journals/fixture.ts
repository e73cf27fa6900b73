/** Rows of a database as a file: a line for each, `{"table": …, "row": {…}}`, in the order of their keys. */
import { readdirSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import { z } from 'zod';
import type { CopyEnd } from '../../src/storage/copy.ts';
import { migrate as migratePostgres } from '../../src/storage/postgres/database/migrate.ts';
import { migrate as migrateSqlite } from '../../src/storage/sqlite/database/migrate.ts';

const lineSchema = z.object({
  table: z.string().regex(/^[a-z_]+$/),
  row: z.record(z.string().regex(/^[a-z_]+$/), z.union([z.string(), z.number(), z.null()])),
});
type Line = z.infer<typeof lineSchema>;

export interface Fixture {
  /** `0001`: the schema that the rows are of. */
  readonly name: string;
  readonly schema: number;
  readonly lines: readonly Line[];
}

export const readFixtures = (): Fixture[] =>
  readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith('.jsonl'))
    .sort()
    .map((file) => ({
      name: file.slice(0, -'.jsonl'.length),
      schema: Number.parseInt(file, 10),
      lines: readFileSync(new URL(file, import.meta.url), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => lineSchema.parse(JSON.parse(line))),
    }));

export async function dump(end: CopyEnd): Promise<string> {
  const lines: string[] = [];
  for (const [table, columns] of end.tables)
    for await (const rows of end.read(table, columns))
      for (const row of rows) {
        const values = columns.map((column, index) => [column, row[index] ?? null] as const);
        const present = Object.fromEntries(values.filter(([, value]) => value !== null));
        lines.push(JSON.stringify({ table, row: present } satisfies Line));
      }
  return `${lines.join('\n')}\n`;
}

/** Makes a database of the fixture's schema with its rows in it, at a path where there is none. */
export function loadIntoSqlite({ schema, lines }: Fixture, path: string): void {
  using database = new DatabaseSync(path, { returnArrays: true });
  migrateSqlite(database, schema);
  for (const { table, row } of lines) {
    const columns = Object.keys(row);
    const marks = columns.map((_, index) => `?${index + 1}`);
    database
      .prepare(`insert into ${table} (${columns.join(', ')}) values (${marks.join(', ')})`)
      .run(...Object.values(row));
  }
}

/** The same in an empty database of PostgreSQL. */
export async function loadIntoPostgres({ schema, lines }: Fixture, url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await migratePostgres(client, schema);
    for (const { table, row } of lines)
      await client.query(
        `insert into opspawn.${table} (${Object.keys(row).join(', ')}) overriding system value
         select ${Object.keys(row).join(', ')} from json_populate_record(null::opspawn.${table}, $1)`,
        [JSON.stringify(row)],
      );
  } finally {
    await client.end();
  }
}
