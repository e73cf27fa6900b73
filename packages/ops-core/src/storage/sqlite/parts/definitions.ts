import type { DatabaseSync } from 'node:sqlite';
import type { TaskKind } from '@opspawn/sdk';
import type { DefinitionRow } from '../../parts/definitions.ts';
import { prepare } from '../database/statement.ts';
import type { Operation } from '../writing/store-access.ts';

type Row = [namespace: string, kind: TaskKind, name: string, version: string, queue: string, data: string];

/** The version that was registered last stands. */
export function prepareDefinitionChanges(database: DatabaseSync) {
  const upsert = prepare<Row>(
    database,
    `insert into definitions (namespace, kind, name, version, queue, data) values (?1, ?2, ?3, ?4, ?5, ?6)
     on conflict (namespace, kind, name)
     do update set version = excluded.version, queue = excluded.queue, data = excluded.data`,
  );
  const remove = prepare<[string]>(database, 'delete from definitions where namespace = ?1');
  const registerDefinitions: Operation<readonly DefinitionRow[], void> = (_turn, definitions) => {
    for (const { namespace, kind, name, version, queue, data } of definitions)
      upsert.get(namespace, kind, name, version, queue, data);
  };
  const removeDefinitions: Operation<string, void> = (_turn, namespace) => void remove.get(namespace);
  return { registerDefinitions, removeDefinitions };
}

export function prepareDefinitions(database: DatabaseSync): (namespace: string) => DefinitionRow[] {
  const find = prepare<[string], Row>(
    database,
    `select namespace, kind, name, version, queue, data from definitions where namespace = ?1 order by name, kind`,
  );
  return (namespace) =>
    find.all(namespace).map(([space, kind, name, version, queue, data]) => ({
      namespace: space,
      kind,
      name,
      version,
      queue,
      data,
    }));
}
