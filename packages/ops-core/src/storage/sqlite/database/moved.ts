import type { DatabaseSync } from 'node:sqlite';
import { movedAway, movedWhileOpen } from '../../refusals.ts';
import { prepare } from './statement.ts';

/** What a process would begin with that has the file open still. */
const writes = ['insert on tasks', 'insert on inbox', 'insert on workers', 'update on queue'];

/** Has every later write of anybody refused, and every later opening. Within the caller's transaction. */
export function retireDatabase(database: DatabaseSync, movedTo: string): void {
  database.exec('create table moved (at integer not null, moved_to text not null)');
  prepare<[number, string]>(database, 'insert into moved (at, moved_to) values (?1, ?2)').get(
    Date.now(),
    movedTo,
  );
  for (const [index, write] of writes.entries())
    database.exec(`create trigger moved_${index} before ${write}
      begin select raise(abort, '${movedWhileOpen}'); end`);
}

/** Throws `config_invalid` for a database whose data went elsewhere. */
export function checkNotMoved(database: DatabaseSync): void {
  const isMarked = prepare<[], [number]>(database, `select 1 from sqlite_schema where name = 'moved'`).get();
  if (isMarked === undefined) return;
  const row = prepare<[], [at: number, movedTo: string]>(database, 'select at, moved_to from moved').get();
  if (row !== undefined) throw movedAway(row[0], row[1]);
}
