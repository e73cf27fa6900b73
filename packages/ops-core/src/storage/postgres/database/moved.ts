import type { ClientBase } from 'pg';
import { movedAway, movedWhileOpen } from '../../refusals.ts';
import type { Moved } from '../../status.ts';
import { type Run, statement } from './connections.ts';
import { databaseUnavailable, sqlStates } from './failure.ts';

/**
 * Has every later write to any table refused, of processes that are connected too, and every later opening. Within the
 * caller's transaction.
 */
export async function retireDatabase(client: ClientBase, movedTo: string): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'opspawn'::regnamespace and relkind = 'r'`,
  );
  await client.query(`create table opspawn.moved (at bigint not null, moved_to text not null);
    create function opspawn.refuse_moved() returns trigger language plpgsql
      as $$ begin raise exception '${movedWhileOpen}' using errcode = '${sqlStates.moved}'; end $$`);
  await client.query('insert into opspawn.moved (at, moved_to) values ($1, $2)', [Date.now(), movedTo]);
  for (const { name } of rows)
    await client.query(`create trigger moved before insert or update or delete or truncate on opspawn.${name}
      for each statement execute function opspawn.refuse_moved()`);
}

/** Where the data went, if it did. */
export async function readMoved(client: ClientBase): Promise<Moved | undefined> {
  const marked = await client.query(`select where to_regclass('opspawn.moved') is not null`);
  if (marked.rowCount === 0) return undefined;
  const { rows } = await client.query<{ at: number; moved_to: string }>(
    'select at, moved_to from opspawn.moved',
  );
  return rows[0] && { to: rows[0].moved_to, at: new Date(rows[0].at).toISOString() };
}

/** Throws `config_invalid` for a database whose data went elsewhere. */
export async function checkNotMoved(client: ClientBase): Promise<void> {
  const moved = await readMoved(client);
  if (moved !== undefined) throw movedAway(moved);
}

const stillHere = statement<[isMoved: boolean, isReadOnly: boolean]>(
  'still_here',
  `select to_regclass('opspawn.moved') is not null, current_setting('transaction_read_only')::bool`,
);

/** Of a database that is open. Throws what its writes are answered once its data went elsewhere, or while it is read-only. */
export async function checkStillHere(run: Run): Promise<void> {
  const [[isMoved, isReadOnly] = [false, false]] = await run('reads', stillHere, []);
  if (isMoved) throw databaseUnavailable(new Error(movedWhileOpen));
  if (isReadOnly) throw databaseUnavailable(new Error('it is read-only'));
}
