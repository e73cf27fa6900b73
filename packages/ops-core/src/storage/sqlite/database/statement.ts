import type { DatabaseSync, SQLInputValue } from 'node:sqlite';

/** A prepared statement; a row is a tuple of the columns in the order of the SQL. */
export interface Statement<Parameters extends readonly SQLInputValue[], Row = never> {
  /** The first row. Without rows, the cheapest way to run a statement. */
  get(...parameters: Parameters): Row | undefined;
  all(...parameters: Parameters): Row[];
  run(...parameters: Parameters): {
    readonly changes: number | bigint;
    readonly lastInsertRowid: number | bigint;
  };
}

/** Rows as tuples need a database that was opened with `returnArrays`. The types are what the SQL beside them says. */
export function prepare<Parameters extends readonly SQLInputValue[], Row = never>(
  database: DatabaseSync,
  sql: string,
): Statement<Parameters, Row> {
  return database.prepare(sql) as unknown as Statement<Parameters, Row>;
}
