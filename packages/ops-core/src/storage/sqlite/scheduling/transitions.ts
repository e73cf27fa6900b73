import type { DatabaseSync } from 'node:sqlite';
import { queueState } from '../../../domain/task-state.ts';
import type { Turn } from '../../turn.ts';
import { prepare } from '../database/statement.ts';
import type { Limits } from './limits.ts';

type Text = string | null;

/** As far as its limits let it; `isEnding`: whatever they say, though it takes its places. */
type MakeReady = (turn: Turn, taskId: string, dueAt: number, isEnding?: boolean) => void;

function prepareReady(database: DatabaseSync, limits: Limits): MakeReady {
  const setReady = prepare<[string, number], [queue: string, namespace: string, limits: Text]>(
    database,
    `update queue set worker_id = null, deadline_at = null, paused_reason = null, due_at = ?2,
       state = case when limits is null then ${queueState.ready} else ${queueState.limited} end,
       blocked_by = limits ->> '$[0].key'
     where task_id = ?1 returning queue, namespace, limits`,
  );
  const setEnding = prepare<[string]>(
    database,
    `update queue set state = ${queueState.ending}, blocked_by = null where task_id = ?1`,
  );
  const withdrawWaits = prepare<[string]>(database, 'delete from waits where task_id = ?1');

  return (turn: Turn, taskId: string, dueAt: number, isEnding = false): void => {
    const row = setReady.get(taskId, dueAt);
    if (row === undefined) return;
    const [queue, namespace, text] = row;
    withdrawWaits.get(taskId);
    turn.changed.push(taskId);
    if (text !== null && !isEnding) {
      limits.leave(turn, namespace, taskId, text);
      return;
    }
    turn.ready.add(queue);
    if (isEnding) setEnding.get(taskId);
    if (text !== null) limits.take(namespace, taskId, text);
  };
}

/** How unfinished tasks that nobody runs change their state. Each takes a claim on the task away. */
export function prepareTransitions(database: DatabaseSync, limits: Limits) {
  const setIdle = prepare<[string, number, number | null, Text], [namespace: string, limits: Text]>(
    database,
    `update queue set state = ?2, worker_id = null, deadline_at = null, due_at = ?3, paused_reason = ?4,
       blocked_by = null
     where task_id = ?1 returning namespace, limits`,
  );
  const headOfSession = prepare<[string, string], [taskId: string, state: number, dueAt: number]>(
    database,
    `select task_id, state, due_at from queue where namespace = ?1 and session_id = ?2
     order by session_order limit 1`,
  );
  const hasPredecessor = prepare<[string], [number]>(
    database,
    `select 1 from queue q join queue p
       on p.namespace = q.namespace and p.session_id = q.session_id and p.session_order < q.session_order
     where q.task_id = ?1 limit 1`,
  );

  const ready = prepareReady(database, limits);
  const idle = (
    turn: Turn,
    taskId: string,
    state: number,
    dueAt: number | null,
    reason: Text = null,
  ): void => {
    const [namespace = '', text = null] = setIdle.get(taskId, state, dueAt, reason) ?? [];
    if (text !== null) limits.leave(turn, namespace, taskId, text);
    turn.changed.push(taskId);
    if (dueAt !== null && state !== queueState.held) turn.dueAt = Math.min(turn.dueAt, dueAt);
  };

  /** Ready, or pending until it is due. */
  const pending = (turn: Turn, taskId: string, dueAt: number): void => {
    if (dueAt <= turn.at) ready(turn, taskId, dueAt);
    else idle(turn, taskId, queueState.later, dueAt);
  };

  return {
    ready,
    pending,
    /** Waits for something from outside; until `dueAt` at the latest. */
    waiting: (turn: Turn, taskId: string, dueAt: number | null) =>
      idle(turn, taskId, queueState.waiting, dueAt),
    paused: (turn: Turn, taskId: string, reason: string) =>
      idle(turn, taskId, queueState.paused, null, reason),
    /** From paused back to where it was in the line: behind its session, due later, or ready. */
    resumed(turn: Turn, taskId: string, notBefore: number): void {
      if (hasPredecessor.get(taskId) === undefined) pending(turn, taskId, notBefore);
      else idle(turn, taskId, queueState.held, notBefore);
    },
    /** The turn passes to the session's next task, when that is held back by nothing else. */
    sessionFreed(turn: Turn, namespace: string, sessionId: string): void {
      const head = headOfSession.get(namespace, sessionId);
      if (head?.[1] === queueState.held) pending(turn, head[0], head[2]);
    },
  };
}

export type Transitions = ReturnType<typeof prepareTransitions>;
