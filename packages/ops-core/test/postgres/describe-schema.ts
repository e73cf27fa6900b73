import type { ClientBase } from 'pg';

/** What a schema consists of, a line each, the same on every version of PostgreSQL: what a dump is compared by. */
const describe = `
  select format('table %I %I %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
    case when a.attcollation <> 0 then ' collate ' || l.collname end, case when a.attnotnull then ' not null' end) as line
  from pg_class c join pg_attribute a on a.attrelid = c.oid left join pg_collation l on l.oid = a.attcollation
  where c.relnamespace = 'opspawn'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
  union all
  select format('constraint %I on %I %s', conname, conrelid::regclass, pg_get_constraintdef(oid))
  from pg_constraint where connamespace = 'opspawn'::regnamespace and contype <> 'n'
  union all
  select pg_get_indexdef(indexrelid) from pg_index join pg_class c on c.oid = indrelid
  where c.relnamespace = 'opspawn'::regnamespace
  union all
  select format('function %s %s', oid::regprocedure, md5(prosrc)) from pg_proc where pronamespace = 'opspawn'::regnamespace
  union all
  select format('sequence %I', relname) from pg_class where relnamespace = 'opspawn'::regnamespace and relkind = 'S'
  order by line`;

export async function describeSchema(client: ClientBase): Promise<string> {
  await client.query('set search_path = pg_catalog');
  const { rows } = await client.query<{ line: string }>(describe);
  return `${rows.map(({ line }) => line).join('\n')}\n`;
}
