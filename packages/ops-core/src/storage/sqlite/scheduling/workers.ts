import type { DatabaseSync } from 'node:sqlite';
import { OpspawnError } from '@opspawn/agentkit/schema';
import { queueState } from '../../../domain/task-state.ts';
import { readPidSpace, readProcessStart } from '../../../host.ts';
import type { Owner, WorkerInfo } from '../../store.ts';
import type { Turn } from '../../turn.ts';
import { prepare } from '../database/statement.ts';
import type { Delivery } from '../writing/delivery.ts';
import type { Operation } from '../writing/store-access.ts';
import type { LeaseClock } from './lease.ts';
import type { Transitions } from './transitions.ts';

type HeldTask = [taskId: string, dueAt: number];

export function prepareRegisterWorker(
  database: DatabaseSync,
  clock: LeaseClock,
): Operation<{ worker: WorkerInfo; leaseTtlMs: number }, void> {
  const upsert = prepare<[string, string, number, string, string, string, string, number, string]>(
    database,
    `insert into workers (id, host, pid, pid_space, process_start, queues, boot_id, lease_until_ms, definitions)
     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
     on conflict (id) do update set lease_until_ms = excluded.lease_until_ms
     where pid = excluded.pid and pid_space = excluded.pid_space and process_start = excluded.process_start`,
  );
  const pidSpace = readPidSpace();
  return (_turn, { worker, leaseTtlMs }) => {
    const { id, host, pid, processStart, queues, definitions = [] } = worker;
    const leaseUntilMs = clock.now() + leaseTtlMs;
    const { changes } = upsert.run(
      id,
      host,
      pid,
      pidSpace,
      processStart,
      JSON.stringify(queues),
      clock.bootId,
      leaseUntilMs,
      JSON.stringify(definitions),
    );
    if (changes !== 1)
      throw new OpspawnError('invalid_argument', `Worker id ${id} is in use by another process`);
  };
}

/** Makes ready what a worker that is gone holds, at most `limit` tasks. How many. */
type TakeBack = (turn: Turn, workerId: string, limit: number) => number;

function prepareTakeBack(database: DatabaseSync, { delivery, transitions }: SweepParts): TakeBack {
  const heldBy = prepare<[string, number], HeldTask>(
    database,
    `select task_id, due_at from queue where state = ${queueState.running} and worker_id = ?1 limit ?2`,
  );
  return (turn, workerId, limit) => {
    const tasks = heldBy.all(workerId, limit);
    for (const [taskId, dueAt] of tasks) {
      transitions.ready(turn, taskId, dueAt);
      delivery.heed(turn, taskId);
    }
    return tasks.length;
  };
}

export interface SweepParts {
  delivery: Delivery;
  transitions: Transitions;
}

export function prepareRemoveWorker(database: DatabaseSync, parts: SweepParts): Operation<string, void> {
  const remove = prepare<[string]>(database, 'delete from workers where id = ?1');
  const takeBack = prepareTakeBack(database, parts);
  return (turn, workerId) => {
    remove.get(workerId);
    takeBack(turn, workerId, Number.MAX_SAFE_INTEGER);
  };
}

/** Makes ready what a worker that lives holds and does not know of. */
export function prepareGiveBackOthers(
  database: DatabaseSync,
  { delivery, transitions }: SweepParts,
): Operation<{ workerId: string; held: readonly Omit<Owner, 'workerId'>[] }, number> {
  const heldBy = prepare<[string], [...HeldTask, attempt: number]>(
    database,
    `select task_id, due_at, attempt from queue where state = ${queueState.running} and worker_id = ?1`,
  );
  return (turn, { workerId, held }) => {
    const known = new Map(held.map(({ taskId, attempt }) => [taskId, attempt]));
    const others = heldBy.all(workerId).filter(([taskId, , attempt]) => known.get(taskId) !== attempt);
    for (const [taskId, dueAt] of others) {
      transitions.ready(turn, taskId, dueAt);
      delivery.heed(turn, taskId);
    }
    return others.length;
  };
}

/** The workers of this host whose process is gone. */
export function prepareFindGone(database: DatabaseSync, clock: LeaseClock): () => string[] {
  const all = prepare<[string, string], [id: string, pid: number, processStart: string]>(
    database,
    'select id, pid, process_start from workers where boot_id = ?1 and pid_space = ?2',
  );
  const pidSpace = readPidSpace();
  const startOf = clock.processStart ?? readProcessStart;
  return () =>
    all
      .all(clock.bootId, pidSpace)
      .filter(([, pid, processStart]) => startOf(pid) !== processStart)
      .map(([id]) => id);
}

/** `gone`: workers that are known to be dead, whatever their lease says. Gives the number of tasks made ready. */
export function prepareSweep(
  database: DatabaseSync,
  clock: LeaseClock,
  parts: SweepParts,
): Operation<{ limit: number; gone: readonly string[] }, number> {
  const expire = prepare<[string]>(database, 'update workers set lease_until_ms = 0 where id = ?1');
  const remove = prepare<[string]>(database, 'delete from workers where id = ?1');
  const expired = prepare<[string, number], [id: string]>(
    database,
    'select id from workers where boot_id <> ?1 or lease_until_ms <= ?2',
  );
  const takeBack = prepareTakeBack(database, parts);
  const takeOverdue = prepareTakeOverdue(database, parts);

  return (turn, { limit, gone }) => {
    for (const workerId of gone) expire.get(workerId);
    let count = 0;
    for (const [workerId] of expired.all(clock.bootId, clock.now())) {
      const left = limit - count;
      const taken = takeBack(turn, workerId, left);
      if (taken < left) remove.get(workerId);
      count += taken;
    }
    return count + takeOverdue(turn, limit - count);
  };
}

/** Rows of the queue that one sweep looks at; the next one goes on behind them. */
const rowsPerSweep = 5000;

/** Makes ready attempts beyond their deadline. Without an index, which each claim and each end would have to pay for. */
function prepareTakeOverdue(database: DatabaseSync, { delivery, transitions }: SweepParts) {
  const overdue = prepare<[string, number, number], HeldTask>(
    database,
    `select task_id, due_at
     from (select * from queue where task_id > ?1 order by task_id limit ${rowsPerSweep})
     where state = ${queueState.running} and deadline_at <= ?2 limit ?3`,
  );
  const lastLookedAt = prepare<[string], [taskId: string]>(
    database,
    `select task_id from queue where task_id > ?1 order by task_id limit 1 offset ${rowsPerSweep - 1}`,
  );
  let behind = '';
  return (turn: Turn, limit: number): number => {
    const tasks = overdue.all(behind, turn.at, limit);
    for (const [taskId, dueAt] of tasks) {
      transitions.ready(turn, taskId, dueAt);
      delivery.heed(turn, taskId);
    }
    if (tasks.length < limit) behind = lastLookedAt.get(behind)?.[0] ?? '';
    return tasks.length;
  };
}
