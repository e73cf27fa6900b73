import { pendingStates } from '../../../domain/task-state.ts';
import { statement } from '../database/connections.ts';

/** From one to the next along the index, instead of reading all of it. */
export const allNamespaces = statement<[namespace: string]>(
  'namespaces',
  `with recursive found as (
     (select namespace from tasks order by namespace limit 1)
     union all
     select (select t.namespace from tasks t where t.namespace > f.namespace order by t.namespace limit 1) from found f
     where f.namespace is not null
   ) select namespace from found where namespace is not null`,
);

export const settingsOfNamespace = statement<[settings: string]>(
  'namespace_settings',
  'select settings from namespaces where namespace = $1',
);

/** A row when they are these now. Done twice it is as done once. */
export const setSettingsOfNamespace = statement<[1]>(
  'set_namespace_settings',
  `insert into namespaces (namespace, settings)
   select $1, $2 where $3::text is null or $3 = '{}' or exists (select from namespaces where namespace = $1)
   on conflict (namespace) do update set settings = excluded.settings
   where $3 is null or namespaces.settings in ($2, $3) returning 1`,
);

export const pendingOfNamespace = statement<[count: number]>(
  'pending',
  `select count(*) from (select from queue where namespace = $1 and state in (${pendingStates.join(', ')}) limit $2) q`,
);

export const submittedOfNamespace = statement<[count: number, firstAt: number | null]>(
  'submitted',
  `select count(*), min(created_at) from (
     select created_at from tasks where namespace = $1 and id >= $2 and created_at > $3 and parent_id is null
     order by id limit $4) t`,
);

export const definitionsGone = statement<[]>(
  'remove_definitions',
  'delete from definitions where namespace = $1',
);
