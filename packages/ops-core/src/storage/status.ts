import type { TaskStatus } from '@opspawn/sdk';
import { type QueueState, statusOfState } from '../domain/task-state.ts';

/** What a database holds, as it is: looking changes nothing. */
export interface DatabaseStatus {
  /** `SQLite 3.53.4`, `PostgreSQL 15.18`. */
  readonly engine: string;
  readonly schema: {
    /** 0: nothing of ours is there yet. */
    readonly version: number;
    /** Of this program. */
    readonly known: number;
    /** Numbers of the migrations that this program would make. */
    readonly pending: readonly number[];
  };
  /** Where its data went (`opspawn db copy`), after which it takes nothing more. */
  readonly moved?: Moved;
  readonly sizeBytes: number;
  readonly tasks: Readonly<Record<TaskStatus, number>>;
  /** That hold a lease, or lost it and were not swept yet. */
  readonly workers: number;
}

export interface Moved {
  /** A URL, without its password. */
  readonly to: string;
  /** ISO 8601 */
  readonly at: string;
}

export const stateCounts = 'select state, count(*) from queue group by state';
export const endCounts = 'select status, count(*) from outcomes group by status';
export const workerCount = 'select count(*) from workers';

export type StateCount = [state: QueueState, count: number];
export type EndCount = [status: 'completed' | 'failed' | 'cancelled', count: number];

export function countTasks(
  states: readonly StateCount[],
  ends: readonly EndCount[],
): DatabaseStatus['tasks'] {
  const tasks = { pending: 0, running: 0, waiting: 0, paused: 0, completed: 0, failed: 0, cancelled: 0 };
  for (const [state, count] of states) tasks[statusOfState[state]] += count;
  for (const [status, count] of ends) tasks[status] += count;
  return tasks;
}

/** `versions` are those of all migrations of this program, in order. */
export const describeVersion = (version: number, versions: readonly number[]): DatabaseStatus['schema'] => ({
  version,
  known: versions.at(-1) ?? 0,
  pending: versions.filter((one) => one > version),
});
