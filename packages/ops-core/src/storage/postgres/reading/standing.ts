import type { LimitState, LiveWorker, Standing } from '../../parts/flow-control.ts';
import { type StandingRow, standingFrom } from '../../rows/standing.ts';
import { statement } from '../database/connections.ts';

type Row = [
  ...StandingRow,
  holder: (LiveWorker & { readonly leaseUntilAt: number; readonly isAlive: boolean }) | null,
  workers: readonly LiveWorker[] | null,
  asked: readonly string[],
];

const worker = `'id', w.id, 'host', w.host, 'pid', w.pid, 'queues', w.queues::json, 'definitions', w.definitions::json`;

export const standingOf = statement<Row>(
  'standing',
  `select q.state, q.due_at, q.limits, q.blocked_by, q.worker_id, q.deadline_at,
     (select p.task_id::text from queue p where p.namespace = q.namespace and p.session_id = q.session_id
      order by p.session_order limit 1), q.queue, l.paused_at, l.paused_by, l.paused_reason,
     (select json_build_object(${worker}, 'leaseUntilAt', w.lease_until_at, 'isAlive', w.lease_until_at > now_ms())
      from workers w where w.id = q.worker_id),
     (select json_agg(json_build_object(${worker}) order by w.id) from workers w where w.lease_until_at > now_ms()),
     array(select i.kind from inbox i where i.task_id = q.task_id and i.taken_at is null and is_control(i.kind)
           order by i.position)
       || array(select 'cancel' where exists (
         select from journal j where j.task_id = q.task_id and j.type = 'cancel.requested'))
   from queue q left join queues l on l.namespace = q.namespace and l.name = q.queue
   where q.namespace = $1 and q.task_id = $2`,
);

export const toStanding = (row: Row, limit: LimitState | undefined): Standing =>
  standingFrom({
    row: row.slice(0, 11) as StandingRow,
    limit,
    holder: row[11] ?? undefined,
    workers: row[12] ?? [],
    asked: row[13],
  });
