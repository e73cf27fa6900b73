import type { DatabaseSync } from 'node:sqlite';
import { type QueueState, queueState } from '../../domain/task-state.ts';
import type { LimitState, LiveWorker, Standing, TaskLimit } from '../flow-control.ts';
import type { LeaseClock } from './lease.ts';
import { parseLimits } from './limits.ts';
import { pauseFrom } from './queues.ts';
import { prepare } from './statement.ts';

type Text = string | null;
type Int = number | null;
type Row = [
  state: QueueState,
  dueAt: Int,
  limits: Text,
  blockedBy: Text,
  workerId: Text,
  deadlineAt: Int,
  headOfSession: Text,
  queue: string,
  pausedAt: Int,
  pausedBy: Text,
  pausedReason: Text,
];
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
  const find = prepare<[string, string], Row>(
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
    `select kind from inbox where task_id = ?1 and taken_at is null
       and kind in ('cancel', 'pause', 'resume', 'reopen') order by position`,
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

export interface StandingFacts {
  row: Row;
  limit: LimitState | undefined;
  holder: (LiveWorker & { leaseUntilAt: number; isAlive: boolean }) | undefined;
  workers: readonly LiveWorker[];
  asked: readonly string[];
}

const stateNames = Object.fromEntries(
  Object.entries(queueState).map(([name, state]) => [state, name]),
) as Record<QueueState, keyof typeof queueState>;

/** For both engines. */
export function standingFrom({ row, limit, holder, workers, asked }: StandingFacts): Standing {
  const [code, dueAt, limits, blockedBy, workerId, deadlineAt, headOfSession, queue, ...pause] = row;
  const queuePause = pauseFrom(...pause);
  const state = stateNames[code];
  const standing: Standing = {
    state,
    workers: workers.filter((worker) => worker.queues.includes(queue)),
    asked,
  };
  if (dueAt !== null) standing.dueAt = dueAt;
  if (queuePause !== undefined) standing.queuePause = queuePause;
  if (state === 'held' && headOfSession !== null) standing.behindTaskId = headOfSession;
  if (limit !== undefined && blockedBy !== null)
    standing.limit = { ...limit, inForce: limit.setting ?? limitOf(limits, blockedBy) };
  if (workerId !== null && deadlineAt !== null) {
    const { id, host, pid, leaseUntilAt } = holder ?? { id: workerId };
    standing.worker = {
      id,
      deadlineAt,
      ...(host === undefined || pid === undefined ? {} : { host, pid }),
      ...(holder?.isAlive === true && leaseUntilAt !== undefined ? { leaseUntilAt } : {}),
    };
  }
  return standing;
}

const limitOf = (limits: Text, key: string): TaskLimit =>
  parseLimits(limits).find((limit) => limit.key === key) ?? { key };
