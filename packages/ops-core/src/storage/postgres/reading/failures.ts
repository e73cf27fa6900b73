import type { FailureFilter } from '../../parts/failures.ts';
import type { FailureGroupRow } from '../../rows/failure-group.ts';
import { statement } from '../database/connections.ts';

export const failureGroups = statement<FailureGroupRow>(
  '',
  `select g.*, (select l.data from outcomes l where l.task_id = g.latest::uuid) from (
     select o.error_code, t.kind, t.name, count(*) as count, min(o.at), max(o.at), max(o.task_id::text) as latest
     from outcomes o join tasks t on t.namespace = o.namespace and t.id = o.task_id
     where o.namespace = $1 and o.status = 'failed' and ($2::text is null or o.error_code = $2)
       and ($3::text is null or t.kind = $3) and ($4::text is null or t.name = $4)
     group by o.error_code, t.kind, t.name
   ) g order by g.count desc, g.latest desc limit $5`,
);

export const encodeFailureFilter = (
  { namespace, errorCode, kind, name }: FailureFilter,
  limit: number,
): unknown[] => [namespace, errorCode ?? null, kind ?? null, name ?? null, limit];
