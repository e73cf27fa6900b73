import type { ClientBase } from 'pg';
import { movedAway, movedWhileOpen } from '../../refusals.ts';
import { sqlStates } from './failure.ts';

/** What a process would begin with that is connected still. */
const writes = ['insert on tasks', 'insert on inbox', 'insert on workers', 'update on queue'];

/** Has every later write of anybody refused, and every later opening. Within the caller's transaction. */
export async function retireDatabase(client: ClientBase, movedTo: string): Promise<void> {
  await client.query(`create table opspawn.moved (at bigint not null, moved_to text not null);
    create function opspawn.refuse_moved() returns trigger language plpgsql
      as $$ begin raise exception '${movedWhileOpen}' using errcode = '${sqlStates.moved}'; end $$`);
  await client.query('insert into opspawn.moved (at, moved_to) values ($1, $2)', [Date.now(), movedTo]);
  for (const write of writes)
    await client.query(`create trigger moved before ${write.replace(' on ', ' on opspawn.')}
      for each statement execute function opspawn.refuse_moved()`);
}

/** Throws `config_invalid` for a database whose data went elsewhere. */
export async function checkNotMoved(client: ClientBase): Promise<void> {
  const marked = await client.query(`select where to_regclass('opspawn.moved') is not null`);
  if (marked.rowCount === 0) return;
  const { rows } = await client.query<{ at: number; moved_to: string }>(
    'select at, moved_to from opspawn.moved',
  );
  if (rows[0] !== undefined) throw movedAway(rows[0].at, rows[0].moved_to);
}
