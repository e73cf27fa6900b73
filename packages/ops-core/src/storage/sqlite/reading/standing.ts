import type { DatabaseSync } from 'node:sqlite';
import type { LimitState, LiveWorker, Standing } from '../../parts/flow-control.ts';
import { type StandingRow, standingFrom } from '../../rows/standing.ts';
import { prepare } from '../database/statement.ts';
import type { LeaseClock } from '../scheduling/lease.ts';

type WorkerRow = [
  id: string,
  host: string,
  pid: number,
  queues: string,
  definitions: string,
  leaseLeftMs: number,
];

interface StandingParts {
  readonly clock: LeaseClock;
  /** Unix ms. */
  readonly now: () => number;
  readonly limit: (namespace: string, key: string) => LimitState;
}

export function prepareStanding(database: DatabaseSync, { clock, now, limit }: StandingParts) {
  const find = prepare<[string, string], StandingRow>(
    database,
    `select q.state, q.due_at, q.limits, q.blocked_by, q.worker_id, q.deadline_at,
       (select p.task_id from queue p where p.namespace = q.namespace and p.session_id = q.session_id
        order by p.session_order limit 1), q.queue, l.paused_at, l.paused_by, l.paused_reason
     from queue q left join queues l on l.namespace = q.namespace and l.name = q.queue
     where q.namespace = ?1 and q.task_id = ?2`,
  );
  const workers = prepare<[string, number], WorkerRow>(
    database,
    `select id, host, pid, queues, definitions, lease_until_ms - ?2 from workers where boot_id = ?1
     order by id`,
  );
  const asked = prepare<[string], [kind: string]>(
    database,
    `select kind from (select kind, position from inbox where task_id = ?1 and taken_at is null
       and kind in ('cancel', 'pause', 'resume', 'reopen') order by position)
     union all
     select 'cancel' where exists (select 1 from journal where task_id = ?1 and type = 'cancel.requested')`,
  );
  return (namespace: string, taskId: string): Standing | undefined => {
    const row = find.get(namespace, taskId);
    if (row === undefined) return undefined;
    const all = workers.all(clock.bootId, clock.now());
    const holder = all.find(([id]) => id === row[4]);
    return standingFrom({
      row,
      limit: row[3] === null ? undefined : limit(namespace, row[3]),
      holder: holder && { ...workerFrom(holder), leaseUntilAt: now() + holder[5], isAlive: holder[5] > 0 },
      workers: all.filter((worker) => worker[5] > 0).map(workerFrom),
      asked: asked.all(taskId).map(([kind]) => kind),
    });
  };
}

const workerFrom = ([id, host, pid, queues, definitions]: WorkerRow): LiveWorker => ({
  id,
  host,
  pid,
  queues: JSON.parse(queues) as string[],
  definitions: JSON.parse(definitions) as string[],
});
