import type { DatabaseSync } from 'node:sqlite';
import { type QueueState as Code, queueState } from '../../../domain/task-state.ts';
import {
  emptyQueue,
  mostCounted,
  type NamespaceWeights,
  type QueueChange,
  type QueueState,
} from '../../parts/queues.ts';
import { pauseFrom } from '../../rows/queue-pause.ts';
import { prepare } from '../database/statement.ts';
import type { LeaseClock } from '../scheduling/lease.ts';
import type { Operation } from '../writing/store-access.ts';

type Text = string | null;
type Setting = [name: string, weight: number, pausedAt: number | null, pausedBy: Text, pausedReason: Text];

/** Others wait while a read is under way, so no more unfinished tasks of a namespace than these are looked at. */
const mostLookedAt = 100_000;

const counters: Partial<Record<Code, 'running' | 'waiting' | 'heldBack'>> = {
  [queueState.running]: 'running',
  [queueState.waiting]: 'waiting',
  [queueState.later]: 'heldBack',
  [queueState.held]: 'heldBack',
  [queueState.limited]: 'heldBack',
  [queueState.paused]: 'heldBack',
};

export function prepareQueues(database: DatabaseSync, clock: LeaseClock) {
  const settings = prepare<[string], Setting>(
    database,
    'select name, weight, paused_at, paused_by, paused_reason from queues where namespace = ?1',
  );
  const counts = prepare<[string], [queue: string, state: Code, count: number]>(
    database,
    `select queue, state, count(*) from (select queue, state from queue where namespace = ?1 limit ${mostLookedAt})
     group by queue, state`,
  );
  const served = prepare<[string, number], [queues: string]>(
    database,
    'select queues from workers where boot_id = ?1 and lease_until_ms > ?2',
  );
  const ready = prepareReadyTasks(database);
  const weights = prepareWeights(database);

  const queues = (namespace: string): QueueState[] => {
    const found = new Map<string, QueueState>();
    const at = (name: string): QueueState => {
      const queue = found.get(name) ?? emptyQueue(name);
      found.set(name, queue);
      return queue;
    };
    for (const [names] of served.all(clock.bootId, clock.now())) (JSON.parse(names) as string[]).forEach(at);
    for (const [name, state, count] of counts.all(namespace)) {
      const queue = at(name);
      const counter = counters[state];
      if (counter !== undefined) queue[counter] = Math.min(queue[counter] + count, mostCounted);
    }
    for (const setting of settings.all(namespace)) Object.assign(at(setting[0]), settingFrom(setting));
    return [...found.values()]
      .map((queue) => ({ ...queue, ...ready(namespace, queue.name) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  };
  return {
    queues,
    queue: (namespace: string, name: string): QueueState =>
      queues(namespace).find((queue) => queue.name === name) ?? emptyQueue(name),
    weights,
  };
}

const settingFrom = ([, weight, ...said]: Setting): Pick<QueueState, 'weight' | 'pause'> => {
  const pause = pauseFrom(...said);
  return { weight, ...(pause === undefined ? {} : { pause }) };
};

function prepareReadyTasks(database: DatabaseSync) {
  const count = prepare<[string, string], [number]>(
    database,
    `select count(*) from (select 1 from queue where queue = ?1 and namespace = ?2 and state = ${queueState.ready}
       union all select 1 from queue where queue = ?1 and namespace = ?2 and state = ${queueState.ending}
       limit ${mostCounted})`,
  );
  const oldest = prepare<[string, string, number], [dueAt: number]>(
    database,
    `select due_at from queue indexed by queue_ready
     where queue = ?1 and namespace = ?2 and state = ${queueState.ready} and priority = ?3 order by due_at limit 1`,
  );
  return (namespace: string, name: string): Pick<QueueState, 'ready' | 'oldestReadyAt'> => {
    const ready = count.get(name, namespace)?.[0] ?? 0;
    const fronts = Array.from({ length: 10 }, (_, priority) => oldest.get(name, namespace, priority)?.[0]);
    const oldestReadyAt = Math.min(...fronts.filter((dueAt) => dueAt !== undefined));
    return { ready, ...(Number.isFinite(oldestReadyAt) ? { oldestReadyAt } : {}) };
  };
}

function prepareWeights(database: DatabaseSync) {
  const settings = prepare<[], [namespace: string, settings: string]>(
    database,
    'select namespace, settings from namespaces',
  );
  const weights = prepare<[], [namespace: string, name: string, weight: number]>(
    database,
    'select namespace, name, weight from queues where weight <> 1',
  );
  return (): NamespaceWeights[] => {
    const settingsOf = new Map(settings.all());
    const queuesOf = Map.groupBy(weights.all(), ([namespace]) => namespace);
    return [...new Set([...settingsOf.keys(), ...queuesOf.keys()])].map((namespace) => {
      const said = settingsOf.get(namespace);
      const queues = Object.fromEntries(
        (queuesOf.get(namespace) ?? []).map(([, name, weight]) => [name, weight]),
      );
      return { namespace, ...(said === undefined ? {} : { settings: said }), queues };
    });
  };
}

export function prepareChangeQueue(
  database: DatabaseSync,
): Operation<{ namespace: string; name: string; change: QueueChange }, void> {
  const setWeight = prepare<[string, string, number | null]>(
    database,
    `insert into queues (namespace, name, weight) values (?1, ?2, coalesce(?3, 1))
     on conflict do update set weight = coalesce(?3, weight)`,
  );
  const pause = prepare<[string, string, number, string, Text]>(
    database,
    `update queues set paused_at = ?3, paused_by = ?4, paused_reason = ?5
     where namespace = ?1 and name = ?2 and paused_at is null`,
  );
  const resume = prepare<[string, string]>(
    database,
    `update queues set paused_at = null, paused_by = null, paused_reason = null
     where namespace = ?1 and name = ?2`,
  );
  return (turn, { namespace, name, change }) => {
    setWeight.get(namespace, name, change.weight ?? null);
    if (change.pause === undefined) return;
    if (change.pause !== null) {
      pause.get(namespace, name, turn.at, change.pause.by, change.pause.reason ?? null);
      return;
    }
    resume.get(namespace, name);
    turn.ready.add(name);
  };
}
