import type { TaskStatus } from '@opspawn/sdk';

/**
 * Where an unfinished task stands. `ready` tasks are what a claim takes; everything else is out of its index and is
 * made ready in the transaction of the event that frees it.
 */
export const queueState = {
  ready: 0,
  running: 1,
  /** Pending, due later. */
  later: 2,
  /** Pending, behind another task of its session. */
  held: 3,
  waiting: 4,
  paused: 5,
  /** Pending, behind a limit. */
  limited: 6,
  /** Asked to end: its attempt has only to write that, and waits for no limit, pause or share. */
  ending: 7,
} as const;
export type QueueState = (typeof queueState)[keyof typeof queueState];

/** What an unfinished task in this state is to those who look at it from outside. */
export const statusOfState = {
  [queueState.ready]: 'pending',
  [queueState.running]: 'running',
  [queueState.later]: 'pending',
  [queueState.held]: 'pending',
  [queueState.waiting]: 'waiting',
  [queueState.paused]: 'paused',
  [queueState.limited]: 'pending',
  [queueState.ending]: 'pending',
} as const satisfies Record<QueueState, TaskStatus>;

/** Of tasks that wait for nothing but their turn. */
export const pendingStates: readonly QueueState[] = Object.values(queueState).filter(
  (state) => statusOfState[state] === 'pending',
);
