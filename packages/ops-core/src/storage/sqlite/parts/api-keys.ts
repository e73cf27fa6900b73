import type { DatabaseSync } from 'node:sqlite';
import type { ApiKeyRow } from '../../parts/api-keys.ts';
import { prepare } from '../database/statement.ts';
import type { Operation } from '../writing/store-access.ts';

type Row = [id: string, namespace: string, name: string, digest: string, createdAt: number];

export interface AddApiKey {
  key: Omit<ApiKeyRow, 'createdAt'>;
  onlyFirst: boolean;
}

/** Whether the key is there now. */
export function prepareAddApiKey(database: DatabaseSync): Operation<AddApiKey, boolean> {
  const insert = prepare<[...Row, number]>(
    database,
    `insert into api_keys (id, namespace, name, digest, created_at, is_first)
     select ?1, ?2, ?3, ?4, ?5, ?6 where ?6 = 0 or not exists (select 1 from api_keys) on conflict do nothing`,
  );
  const find = prepare<[string, string], [number]>(
    database,
    'select 1 from api_keys where id = ?1 and digest = ?2',
  );
  return (turn, { key: { id, namespace, name, digest }, onlyFirst }) => {
    insert.get(id, namespace, name, digest, turn.at, onlyFirst ? 1 : 0);
    return find.get(id, digest) !== undefined;
  };
}

/** Whether there was one. */
export function prepareRemoveApiKey(database: DatabaseSync): Operation<string, boolean> {
  const remove = prepare<[string]>(database, 'delete from api_keys where id = ?1');
  return (_turn, id) => remove.run(id).changes === 1;
}

export function prepareApiKeys(database: DatabaseSync) {
  const find = prepare<[string], Row>(
    database,
    'select id, namespace, name, digest, created_at from api_keys where id = ?1',
  );
  const all = prepare<[], Row>(
    database,
    'select id, namespace, name, digest, created_at from api_keys order by created_at, id',
  );
  return {
    apiKey: (keyId: string): ApiKeyRow | undefined => {
      const row = find.get(keyId);
      return row === undefined ? undefined : toApiKey(row);
    },
    apiKeys: (): readonly ApiKeyRow[] => all.all().map(toApiKey),
  };
}

const toApiKey = ([id, namespace, name, digest, createdAt]: Row): ApiKeyRow => ({
  id,
  namespace,
  name,
  digest,
  createdAt,
});
