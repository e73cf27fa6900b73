import type { DatabaseSync } from 'node:sqlite';
import type { FailureFilter, FailureGroup } from '../../parts/failures.ts';
import { type FailureGroupRow, toFailureGroup } from '../../rows/failure-group.ts';
import { textOf } from '../database/blobs.ts';
import { prepare } from '../database/statement.ts';

type Text = string | null;

export function prepareFailures(
  database: DatabaseSync,
): (filter: FailureFilter, limit: number) => FailureGroup[] {
  const find = prepare<[string, Text, Text, Text, number], FailureGroupRow>(
    database,
    `select g.*, (select ${textOf('l', 'data')} from outcomes l where l.task_id = g.latest) from (
       select o.error_code, t.kind, t.name, count(*) as count, min(o.at), max(o.at), max(o.task_id) as latest
       from outcomes o indexed by outcomes_failed cross join tasks t on t.namespace = o.namespace and t.id = o.task_id
       where o.namespace = ?1 and o.status = 'failed' and (?2 is null or o.error_code = ?2)
         and (?3 is null or t.kind = ?3) and (?4 is null or t.name = ?4)
       group by o.error_code, t.kind, t.name
     ) g order by g.count desc, g.latest desc limit ?5`,
  );
  return ({ namespace, errorCode = null, kind = null, name = null }, limit) =>
    find.all(namespace, errorCode, kind, name, limit).map(toFailureGroup);
}
