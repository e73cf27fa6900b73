import { mostCounted, type NamespaceWeights, type QueueChange, type QueueState } from '../../parts/queues.ts';
import { pauseFrom } from '../../rows/queue-pause.ts';
import { statement } from '../database/connections.ts';
import { toText } from '../database/text.ts';
import type { Told } from '../writing/write-all.ts';

type Int = number | null;
type Text = string | null;
type Row = [
  name: string,
  weight: Int,
  pausedAt: Int,
  pausedBy: Text,
  pausedReason: Text,
  ready: number,
  running: number,
  waiting: number,
  heldBack: number,
  oldestReadyAt: Int,
];

/** A count by an index goes no further than it must; the others are of one look at the namespace's unfinished tasks. */
export const queuesOf = statement<Row>(
  'queues',
  `with counted as materialized (
     select queue as name, count(*) filter (where state = 1) as running, count(*) filter (where state = 4) as waiting,
       count(*) filter (where state in (2, 3, 5, 6)) as held_back
     from queue where namespace = $1 and ($2::text is null or queue = $2) group by queue
   ), named as (
     select name from counted
     union select name from queues where namespace = $1 and ($2::text is null or name = $2)
     union select json_array_elements_text(w.queues::json) from workers w where $2::text is null and w.lease_until_at > now_ms()
     union select $2 where $2::text is not null
   )
   select n.name, q.weight, q.paused_at, q.paused_by, q.paused_reason,
     (select count(*) from (select from queue r where r.queue = n.name and r.namespace = $1 and r.state in (0, 7)
                            limit ${mostCounted}) found),
     least(coalesce(c.running, 0), ${mostCounted}), least(coalesce(c.waiting, 0), ${mostCounted}),
     least(coalesce(c.held_back, 0), ${mostCounted}),
     (select min(o.due_at) from generate_series(0, 9) as p (priority), lateral (
        select r.due_at from queue r where r.queue = n.name and r.namespace = $1 and r.state = 0 and r.priority = p.priority
        order by r.due_at limit 1) o)
   from named n left join counted c on c.name = n.name left join queues q on q.namespace = $1 and q.name = n.name
   order by n.name`,
);

export function toQueueState(row: Row): QueueState {
  const [name, weight, pausedAt, by, reason, ready, running, waiting, heldBack, oldestReadyAt] = row;
  const pause = pauseFrom(pausedAt, by, reason);
  return {
    name,
    weight: weight ?? 1,
    ...(pause === undefined ? {} : { pause }),
    ready,
    running,
    waiting,
    heldBack,
    ...(oldestReadyAt === null ? {} : { oldestReadyAt }),
  };
}

export const changeQueue = statement<[Told]>('change_queue', 'select change_queue($1, $2, $3, $4, $5)');

export const encodeQueueChange = (
  namespace: string,
  name: string,
  { weight, pause }: QueueChange,
): unknown[] => [
  namespace,
  name,
  weight ?? null,
  pause === undefined
    ? null
    : JSON.stringify(pause && { by: toText(pause.by), reason: pause.reason && toText(pause.reason) }),
];

/** Of all namespaces: what is said of them, and the weights of their queues. */
export const allWeights = statement<
  [namespace: string, settings: Text, queues: Record<string, number> | null]
>(
  'weights',
  `select coalesce(n.namespace, q.namespace), n.settings, q.queues from namespaces n full join (
     select namespace, json_object_agg(name, weight) as queues from queues where weight <> 1 group by namespace
   ) q on q.namespace = n.namespace`,
);

export const toNamespaceWeights = ([namespace, settings, queues]: [
  string,
  Text,
  Record<string, number> | null,
]): NamespaceWeights => ({ namespace, ...(settings === null ? {} : { settings }), queues: queues ?? {} });
