import type { TaskStatus } from '@opspawn/sdk';
import { queueState, statusOfState } from '../../domain/task-state.ts';

const ends: readonly TaskStatus[] = ['completed', 'failed', 'cancelled'];

export interface Statuses {
  readonly states: readonly number[];
  readonly ended: readonly TaskStatus[];
}

export function splitStatuses(status: readonly TaskStatus[] | undefined): Statuses | undefined {
  if (status === undefined) return undefined;
  return {
    states: Object.values(queueState).filter((state) => status.includes(statusOfState[state])),
    ended: ends.filter((end) => status.includes(end)),
  };
}
