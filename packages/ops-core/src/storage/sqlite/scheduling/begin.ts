import type { DatabaseSync } from 'node:sqlite';
import { queueState } from '../../../domain/task-state.ts';
import { begunTask } from '../../rows/claimed-task.ts';
import type { NewTask, Offer } from '../../store.ts';
import type { Turn } from '../../turn.ts';
import { prepare } from '../database/statement.ts';
import type { HoldsLease } from './lease.ts';

/** Whether it did. `deadlineAt`: of the whole task, Unix ms. */
export type Begin = (turn: Turn, task: NewTask, offer: Offer, deadlineAt: number | undefined) => boolean;

/** Puts a task into the queue as claimed by who offered to begin it, unless that has no lease or the queue is paused. */
export function prepareBegin(database: DatabaseSync, holdsLease: HoldsLease): Begin {
  const pause = prepare<[string, string], [number]>(
    database,
    'select 1 from queues where namespace = ?1 and name = ?2 and paused_at is not null',
  );
  const insert = prepare<[string, string, number, number, string, string, number]>(
    database,
    `insert into queue (task_id, state, attempt, queue, priority, due_at, failures, namespace, has_children, has_inbox,
       worker_id, deadline_at)
     values (?1, ${queueState.running}, 1, ?2, ?3, ?4, 0, ?5, 0, 0, ?6, ?7)`,
  );
  const setDeadline = prepare<[string, number]>(
    database,
    'update queue set task_deadline_at = ?2 where task_id = ?1',
  );
  return (turn, task, offer, deadlineAt) => {
    const { id, namespace, queue, priority } = task;
    if (!holdsLease(offer.workerId) || pause.get(namespace, queue) !== undefined) return false;
    const claimed = begunTask(task, offer, { at: turn.at, deadlineAt });
    insert.get(id, queue, priority, turn.at, namespace, offer.workerId, claimed.deadlineAt);
    if (deadlineAt !== undefined) {
      setDeadline.get(id, deadlineAt);
      turn.dueAt = Math.min(turn.dueAt, deadlineAt);
    }
    turn.changed.push(id);
    turn.begun.push({ offer, task: claimed });
    return true;
  };
}
