import type { DatabaseSync } from 'node:sqlite';
import { pendingStates } from '../../../domain/task-state.ts';
import { idAt, idSlackMs } from '../../rows/id-time.ts';
import { prepare } from '../database/statement.ts';
import type { Operation } from '../writing/store-access.ts';

export function prepareNamespaces(database: DatabaseSync) {
  // From one to the next along the index, instead of reading all of it.
  const all = prepare<[], [string]>(
    database,
    `with recursive found (namespace) as (
       select min(namespace) from tasks
       union all
       select (select min(t.namespace) from tasks t where t.namespace > f.namespace) from found f
       where f.namespace is not null
     ) select namespace from found where namespace is not null`,
  );
  const settings = prepare<[string], [string]>(
    database,
    'select settings from namespaces where namespace = ?1',
  );
  const pending = prepare<[string, number], [number]>(
    database,
    `select count(*) from (select 1 from queue where namespace = ?1 and state in (${pendingStates.join(', ')}) limit ?2)`,
  );
  const submitted = prepare<[string, string, number, number], [count: number, firstAt: number | null]>(
    database,
    `select count(*), min(created_at) from (
       select created_at from tasks where namespace = ?1 and id >= ?2 and created_at > ?3 and parent_id is null
       order by id limit ?4)`,
  );
  return {
    namespaces: () => all.all().map(([namespace]) => namespace),
    namespaceSettings: (namespace: string) => settings.get(namespace)?.[0],
    pending: (namespace: string, limit: number) => pending.get(namespace, limit)?.[0] ?? 0,
    submitted(namespace: string, since: number, limit: number) {
      const [count, firstAt] = submitted.get(namespace, idAt(since - idSlackMs), since, limit) ?? [0, null];
      return { count, ...(firstAt === null ? {} : { firstAt }) };
    },
  };
}

export function prepareSetNamespaceSettings(
  database: DatabaseSync,
): Operation<{ namespace: string; settings: string; earlier: string | undefined }, boolean> {
  const upsert = prepare<[string, string, string | null], [1]>(
    database,
    `insert into namespaces (namespace, settings)
     select ?1, ?2 where ?3 is null or ?3 = '{}' or exists (select 1 from namespaces where namespace = ?1)
     on conflict (namespace) do update set settings = excluded.settings
     where ?3 is null or namespaces.settings in (?2, ?3) returning 1`,
  );
  return (_turn, { namespace, settings, earlier = null }) =>
    upsert.get(namespace, settings, earlier) !== undefined;
}
