import type { DatabaseSync } from 'node:sqlite';
import { queueState } from '../../../domain/task-state.ts';
import { parseLimits } from '../../rows/task-limits.ts';
import type { Turn } from '../../turn.ts';
import { prepare } from '../database/statement.ts';
import type { Limits } from './limits.ts';

export interface QueuedTask {
  taskId: string;
  namespace: string;
  queue: string;
  priority: number;
  /** Unix ms; ready tasks are claimed in its order. */
  dueAt: number;
  /** Number of the last claim. */
  attempt: number;
  parentId: string | undefined;
  /** The session in which the task takes its turn; undefined for a child, which never waits for it. */
  sessionId: string | undefined;
  hasChildren: boolean;
  /** Unix ms: of the whole task. */
  deadlineAt: number | undefined;
  /** JSON text: those that the task waits for. */
  limits: string | null;
}

export type Enqueue = ReturnType<typeof prepareEnqueue>;

/** Puts a task into the queue: at the end of its session, due later, or ready. */
export function prepareEnqueue(database: DatabaseSync, limits: Limits) {
  const insert = prepare<
    [
      string,
      number,
      number,
      string,
      number,
      number,
      string,
      string | null,
      string | null,
      number | null,
      number,
      string | null,
      string | null,
    ]
  >(
    database,
    `insert into queue (task_id, state, attempt, queue, priority, due_at, failures, namespace, parent_id, session_id,
       session_order, has_children, has_inbox, limits, blocked_by)
     values (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10, ?11, 0, ?12, ?13)`,
  );
  // Few have one, and a null that is bound costs as much as a value.
  const setDeadline = prepare<[string, number]>(
    database,
    'update queue set task_deadline_at = ?2 where task_id = ?1',
  );
  const lastOfSession = prepare<[string, string], [number | null]>(
    database,
    'select max(session_order) from queue where namespace = ?1 and session_id = ?2',
  );

  return (turn: Turn, task: QueuedTask): void => {
    const { sessionId, dueAt } = task;
    const predecessor =
      sessionId === undefined ? null : (lastOfSession.get(task.namespace, sessionId)?.[0] ?? null);
    const isDue = dueAt <= turn.at;
    const firstKey = isDue && predecessor === null ? parseLimits(task.limits)[0]?.key : undefined;
    const due = firstKey === undefined ? queueState.ready : queueState.limited;
    const state = predecessor !== null ? queueState.held : isDue ? due : queueState.later;
    insert.get(
      task.taskId,
      state,
      task.attempt,
      task.queue,
      task.priority,
      dueAt,
      task.namespace,
      task.parentId ?? null,
      sessionId ?? null,
      sessionId === undefined ? null : (predecessor ?? 0) + 1,
      task.hasChildren ? 1 : 0,
      task.limits,
      firstKey ?? null,
    );
    if (task.deadlineAt !== undefined) {
      setDeadline.get(task.taskId, task.deadlineAt);
      turn.dueAt = Math.min(turn.dueAt, task.deadlineAt);
    }
    if (firstKey !== undefined) limits.mark(turn, task.namespace, firstKey);
    if (state === queueState.ready) turn.ready.add(task.queue);
    if (state === queueState.later) turn.dueAt = Math.min(turn.dueAt, dueAt);
  };
}
