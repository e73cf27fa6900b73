import { lanesPerClaim } from '../../claim-request.ts';

/** All that stand in line. */
export const ofAll = '';

/**
 * Only those of the definitions $9. Not a join, whose order a plan could turn round: the rows are looked up one by one as
 * they stand in line, until there are enough.
 */
export const ofDefinitions = `and (
  select k.kind || ' ' || k.name from tasks k where k.namespace = q.namespace and k.id = q.task_id) = any($9::text[])`;

/**
 * What a claim takes, as CTEs: `candidate` has the ids, locked. $3: queues; $4: limit; $7: Shares; $8: the namespace
 * behind which to look. `which`: what is asked of each row q.
 *
 * The lanes are found by going from one namespace to the next along queue_ready, so that what a lane holds, or a paused
 * one holds back, costs nothing. A single lane, which is the common case, is read once, as it is locked. Of several,
 * tags are made first (claim-request.ts) from what each has at its front.
 */
export const fairOrder = (which: string): string => `
  lane (queue, namespace) as (
    select u.queue, (select q.namespace from queue q where q.queue = u.queue and q.state = 0 and q.namespace > $8
                     order by q.namespace limit 1)
    from unnest($3::text[]) as u (queue)
    union all
    select l.queue, (select q.namespace from queue q where q.queue = l.queue and q.state = 0 and q.namespace > l.namespace
                     order by q.namespace limit 1)
    from lane l where l.namespace is not null
  ),
  seen as materialized (select queue, namespace from lane limit ${lanesPerClaim}),
  ending as materialized (
    select e.task_id from unnest($3::text[]) as u (queue), lateral (
      select q.task_id from queue q where q.queue = u.queue and q.state = 7 ${which}
      order by q.task_id limit $4 for update skip locked
    ) e limit $4
  ),
  wanted as materialized (select $4::int - (select count(*) from ending)::int as free),
  open as materialized (
    select s.queue, s.namespace from seen s where s.namespace is not null
      and not exists (select from queues p where p.namespace = s.namespace and p.name = s.queue and p.paused_at is not null)
  ),
  lanes as materialized (select count(*)::int as number,
    case when count(*) <= 4 then $4::int else ceil(4.0 * $4 / count(*))::int end as depth from open),
  share as materialized (
    select queue, namespace, (select free from wanted) as size from open where (select number from lanes) = 1
    union all
    select queue, namespace, count(*)::int from (
      select f.queue, f.namespace from (
        select c.*, c.lag + c.step * (row_number() over (partition by c.namespace order by c.tag, c.priority, c.due_at, c.task_id) - 1)
          as namespace_tag
        from (
          select l.queue, l.namespace, q.priority, q.due_at, q.task_id,
            coalesce((n.share->>'lag')::float8, 0) as lag, coalesce((n.share->>'step')::float8, n.step) as step,
            coalesce((n.share->'queues'->l.queue->>'lag')::float8, 0)
              + coalesce((n.share->'queues'->l.queue->>'step')::float8, n.step) * (q.place - 1) as tag
          from open l, lateral (
            select $7::jsonb->'namespaces'->l.namespace as share, ($7::jsonb->>'step')::float8 as step
          ) n, lateral (
            select t.*, row_number() over () as place from (
              select q.priority, q.due_at, q.task_id from queue q
              where q.queue = l.queue and q.namespace = l.namespace and q.state = 0 ${which}
              order by q.priority, q.due_at, q.task_id limit (select depth from lanes)
            ) t
          ) q
        ) c
      ) f order by f.namespace_tag, f.tag, f.priority, f.due_at, f.task_id limit (select free from wanted)
    ) chosen where (select number from lanes) > 1 group by queue, namespace
  ),
  candidate as (
    select task_id from ending
    union all
    select r.task_id from share s, lateral (
      select q.task_id from queue q where q.queue = s.queue and q.namespace = s.namespace and q.state = 0 ${which}
      order by q.priority, q.due_at, q.task_id limit s.size for update skip locked
    ) r
  )`;

/**
 * Of a claim from several lanes; null where there was one at most. `found`: how many tasks it meant to take. `after`: the
 * namespace behind which the next claim looks on; absent when this one saw the last lane.
 */
export const laneFacts = `case when $8 <> '' or (select number from lanes) > 1 or (select count(*) from seen) = ${lanesPerClaim}
  then json_build_object('lanes', (select number from lanes),
    'found', (select coalesce(sum(size), 0) from share) + (select count(*) from ending),
    'after', case when (select count(*) from seen) = ${lanesPerClaim} then (
      select min(last) from (select max(namespace) as last from seen group by queue having bool_and(namespace is not null)) ends
    ) end)
  end`;
