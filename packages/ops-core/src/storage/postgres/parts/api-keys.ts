import type { ApiKeyRow } from '../../parts/api-keys.ts';
import { statement } from '../database/connections.ts';

type Row = [id: string, namespace: string, name: string, digest: string, createdAt: number];

/** `is_first` is unique: of many first keys at the same time, one stays. Gives the key's id when it is there now. */
export const addApiKey = statement<[id: string]>(
  'add_api_key',
  `with added as (
     insert into api_keys (id, namespace, name, digest, is_first, created_at)
     select $1, $2, $3, $4, $5::boolean, now_ms() where not $5 or not exists (select from api_keys)
     on conflict do nothing returning id)
   select id from added union select id from api_keys where id = $1 and digest = $4`,
);

export const apiKeyById = statement<Row>(
  'api_key',
  'select id, namespace, name, digest, created_at from api_keys where id = $1',
);

export const allApiKeys = statement<Row>(
  'api_keys',
  'select id, namespace, name, digest, created_at from api_keys order by created_at, id',
);

export const removeApiKey = statement<[id: string]>(
  'remove_api_key',
  'delete from api_keys where id = $1 returning id',
);

export const toApiKey = ([id, namespace, name, digest, createdAt]: Row): ApiKeyRow => ({
  id,
  namespace,
  name,
  digest,
  createdAt,
});
