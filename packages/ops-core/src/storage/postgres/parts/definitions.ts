import type { TaskKind } from '@opspawn/sdk';
import type { DefinitionRow } from '../../parts/definitions.ts';
import { statement } from '../database/connections.ts';

type Row = [namespace: string, kind: TaskKind, name: string, version: string, queue: string, data: string];

/** The version that was registered last stands. In one order, so that workers that start at once do not block each other. */
export const registerDefinitions = statement(
  'register_definitions',
  `insert into definitions (namespace, kind, name, version, queue, data)
   select distinct on (namespace, kind, name) namespace, kind, name, version, queue, data
   from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) with ordinality
     as x (namespace, kind, name, version, queue, data, n)
   order by namespace, kind, name, n desc
   on conflict (namespace, kind, name)
   do update set version = excluded.version, queue = excluded.queue, data = excluded.data`,
);

export const encodeDefinitions = (definitions: readonly DefinitionRow[]): string[][] => [
  definitions.map(({ namespace }) => namespace),
  definitions.map(({ kind }) => kind),
  definitions.map(({ name }) => name),
  definitions.map(({ version }) => version),
  definitions.map(({ queue }) => queue),
  definitions.map(({ data }) => data),
];

export const definitionsOf = statement<Row>(
  'definitions',
  'select namespace, kind, name, version, queue, data from definitions where namespace = $1 order by name, kind',
);

export const toDefinition = ([namespace, kind, name, version, queue, data]: Row): DefinitionRow => ({
  namespace,
  kind,
  name,
  version,
  queue,
  data,
});
