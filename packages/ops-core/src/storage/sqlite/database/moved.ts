import type { DatabaseSync } from 'node:sqlite';
import { movedAway, movedWhileOpen } from '../../refusals.ts';
import type { Moved } from '../../status.ts';
import { databaseUnavailable } from './failure.ts';
import { prepare } from './statement.ts';

/** Triggers are not for the tables that belong to a virtual one; the time of the last write is nobody's data. */
const withoutTriggers = ['clock', 'memory_words'];

/**
 * Has every later write to any table refused, of processes that have the file open too, and every later opening. Within
 * the caller's transaction.
 */
export function retireDatabase(database: DatabaseSync, movedTo: string): void {
  const tables = prepare<[], [string]>(
    database,
    `select name from sqlite_schema where type = 'table' and name not like 'sqlite%'`,
  )
    .all()
    .map(([name]) => name)
    .filter((name) => !withoutTriggers.some((other) => name.startsWith(other)));
  database.exec('create table moved (at integer not null, moved_to text not null)');
  prepare<[number, string]>(database, 'insert into moved (at, moved_to) values (?1, ?2)').get(
    Date.now(),
    movedTo,
  );
  for (const table of tables)
    for (const write of ['insert', 'update', 'delete'])
      database.exec(`create trigger moved_${table}_${write} before ${write} on ${table}
        begin select raise(abort, '${movedWhileOpen}'); end`);
}

/** Where the data went, if it did. */
export function readMoved(database: DatabaseSync): Moved | undefined {
  if (!isMoved(database)) return undefined;
  const row = prepare<[], [at: number, movedTo: string]>(database, 'select at, moved_to from moved').get();
  return row && { to: row[1], at: new Date(row[0]).toISOString() };
}

/** Throws `config_invalid` for a database whose data went elsewhere. */
export function checkNotMoved(database: DatabaseSync): void {
  const moved = readMoved(database);
  if (moved !== undefined) throw movedAway(moved);
}

/** Of a database that is open. Throws what its writes are answered once its data went elsewhere. */
export function checkStillHere(database: DatabaseSync): void {
  if (isMoved(database)) throw databaseUnavailable(new Error(movedWhileOpen));
}

const isMoved = (database: DatabaseSync): boolean =>
  prepare<[], [number]>(database, `select 1 from sqlite_schema where name = 'moved'`).get() !== undefined;
