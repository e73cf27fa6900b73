import type { DatabaseSync } from 'node:sqlite';
import { queueState } from '../../../domain/task-state.ts';
import { depthOf, evenShares, lanesPerClaim, type Share, type Shares } from '../../claim-request.ts';
import { prepare } from '../database/statement.ts';

export interface Lane {
  readonly queue: string;
  readonly namespace: string;
}

type Urgency = [priority: number, dueAt: number, taskId: string];

interface Wanted {
  readonly shares?: Shares | undefined;
  /** JSON array of `KIND NAME`; null: all. */
  readonly definitions: string | null;
}

export interface Portions {
  readonly sizes: readonly (readonly [lane: Lane, size: number])[];
  /** Whether these are all that there is, when they are fewer than was asked for. */
  readonly isAll: boolean;
}

interface Candidate {
  readonly lane: Lane;
  readonly tag: number;
  readonly urgency: Urgency;
}

/**
 * How many tasks a claim takes from which lanes. The lanes are found by going from one namespace to the next along
 * queue_ready, so that what a lane holds, or a paused one holds back, costs nothing.
 */
export function prepareFairOrder(database: DatabaseSync) {
  const openLanes = prepareOpenLanes(database);
  const front = prepare<[string, string, number, string | null], Urgency>(
    database,
    `select q.priority, q.due_at, q.task_id from queue q indexed by queue_ready
     where q.queue = ?1 and q.namespace = ?2 and q.state = ${queueState.ready}
       and (?4 is null or (select t.kind || ' ' || t.name from tasks t where t.namespace = q.namespace and t.id = q.task_id)
         in (select value from json_each(?4)))
     order by q.priority, q.due_at, q.task_id limit ?3`,
  );
  return (
    queues: readonly string[],
    limit: number,
    { shares = evenShares, definitions }: Wanted,
  ): Portions => {
    const { lanes, isWhole } = openLanes(queues);
    const isAll = isWhole && lanes.length <= 4;
    const [only] = lanes;
    if (only === undefined || lanes.length === 1)
      return { sizes: only === undefined ? [] : [[only, limit]], isAll };
    const depth = depthOf(limit, lanes.length);
    const candidates = lanes.flatMap((lane) => {
      const { lag, step } = laneShare(shares, lane);
      return front
        .all(lane.queue, lane.namespace, depth, definitions)
        .map((urgency, place): Candidate => ({ lane, tag: lag + place * step, urgency }));
    });
    const chosen = byNamespace(candidates, shares).slice(0, limit);
    const byLane = Map.groupBy(chosen, ({ lane }) => lane);
    return { sizes: [...byLane].map(([lane, { length }]) => [lane, length]), isAll };
  };
}

/**
 * Those that have ready tasks and are not paused; none only when there are none. Where there are many it gives a part of
 * them, and the next call goes on behind.
 */
function prepareOpenLanes(database: DatabaseSync) {
  const nextNamespace = prepare<[string, string], [namespace: string]>(
    database,
    `select namespace from queue indexed by queue_ready
     where queue = ?1 and namespace > ?2 and state = ${queueState.ready} order by namespace limit 1`,
  );
  const isPaused = prepare<[string, string], [number]>(
    database,
    'select 1 from queues where namespace = ?1 and name = ?2 and paused_at is not null',
  );
  let after = '';

  const lanesBehind = (queue: string, behind: string, most: number): Lane[] => {
    const lanes: Lane[] = [];
    for (let namespace: string | undefined = behind; lanes.length < most; ) {
      [namespace] = nextNamespace.get(queue, namespace) ?? [];
      if (namespace === undefined) break;
      lanes.push({ queue, namespace });
    }
    return lanes;
  };
  const pass = (queues: readonly string[]): Lane[] => {
    const most = Math.ceil(lanesPerClaim / Math.max(1, queues.length));
    const perQueue = queues.map((queue) => lanesBehind(queue, after, most));
    const unfinished = perQueue.filter(({ length }) => length === most).map((lanes) => lanes.at(-1));
    after = unfinished.map((lane) => lane?.namespace ?? '').sort()[0] ?? '';
    return perQueue.flat().filter(({ queue, namespace }) => isPaused.get(namespace, queue) === undefined);
  };

  return (queues: readonly string[]): { lanes: readonly Lane[]; isWhole: boolean } => {
    const isFromStart = after === '';
    let lanes = pass(queues);
    if (isFromStart && after === '') return { lanes, isWhole: true };
    for (let isSecondRound = isFromStart; lanes.length === 0; lanes = pass(queues)) {
      if (after === '' && isSecondRound) return { lanes, isWhole: true };
      if (after === '') isSecondRound = true;
    }
    return { lanes, isWhole: false };
  };
}

const laneShare = ({ namespaces, step }: Shares, { namespace, queue }: Lane): Share =>
  namespaces[namespace]?.queues[queue] ?? { lag: 0, step };

/** The order of claim-request.ts: first within each namespace, then of all. */
function byNamespace(candidates: readonly Candidate[], { namespaces, step }: Shares): Candidate[] {
  const lines = Map.groupBy(candidates, ({ lane }) => lane.namespace);
  return [...lines]
    .flatMap(([namespace, line]) => {
      const share = namespaces[namespace] ?? { lag: 0, step };
      return line
        .sort((a, b) => a.tag - b.tag || byUrgency(a.urgency, b.urgency))
        .map((candidate, place) => ({ candidate, tag: share.lag + place * share.step }));
    })
    .sort(
      (a, b) =>
        a.tag - b.tag ||
        a.candidate.tag - b.candidate.tag ||
        byUrgency(a.candidate.urgency, b.candidate.urgency),
    )
    .map(({ candidate }) => candidate);
}

export const byUrgency = (a: Urgency, b: Urgency): number =>
  a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : a[2] > b[2] ? 1 : 0);
