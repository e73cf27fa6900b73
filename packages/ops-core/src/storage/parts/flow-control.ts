/**
 * What may run when, beside priorities, due times and sessions. A task names keys; under each key only so many tasks run
 * at once, or start within an interval. A task has its place under a key from the moment it is made ready until it stops
 * running: what a claim sees is free to go, and whoever leaves a place fills it in the same transaction.
 */
import type { queueState } from '../../domain/task-state.ts';
import type { QueuePause } from './queues.ts';

/** At most `count` starts at once, and on average `count` in each interval (a bucket that refills evenly). */
export interface Rate {
  /** From 1. */
  count: number;
  intervalMs: number;
}

/** What a task says of a key. An operator's word on the key goes before it. */
export interface TaskLimit {
  key: string;
  /** Tasks under this key that are ready or running, this one included. Absent: any number. */
  maxRunning?: number;
  rate?: Rate;
}

/** What an operator says of a key; 0 for `maxRunning` stops it. */
export interface LimitSetting {
  key: string;
  maxRunning?: number;
  rate?: Rate;
}

/** A key as it stands. */
export interface LimitState {
  key: string;
  /** What an operator says; absent where only tasks name it. */
  setting?: LimitSetting;
  /** Tasks that have a place under it. */
  running: number;
  /** Tasks that stand in its line. */
  waiting: number;
  /** Some that have a place, at most 10. */
  holders: readonly string[];
  /** Unix ms; when its rate lets the next one start. */
  nextStartAt?: number;
}

/** A worker whose lease holds. */
export interface LiveWorker {
  id: string;
  host: string;
  pid: number;
  queues: readonly string[];
  /** `KIND NAME` of each definition that it can run. */
  definitions: readonly string[];
}

/** Where an unfinished task stands, as the store knows it. */
export interface Standing {
  state: keyof typeof queueState;
  /** Unix ms; absent where no time matters. */
  dueAt?: number;
  /** Of a `held` one: the task that its session is at. */
  behindTaskId?: string;
  /** Of a `limited` one: the key in whose line it stands, and what is in force there for this task. */
  limit?: LimitState & { inForce: TaskLimit };
  /** Of its queue, in this namespace. */
  queuePause?: QueuePause;
  /** Of a running one; without `leaseUntilAt` (Unix ms) when the worker's lease has run out. */
  worker?: { id: string; host?: string; pid?: number; leaseUntilAt?: number; deadlineAt: number };
  /** Those that claim from its queue. */
  workers: readonly LiveWorker[];
  /** Kinds of the control items that nobody has taken yet, oldest first; `cancel` also when an attempt has heard of it. */
  asked: readonly string[];
}

export interface FlowControl {
  /** undefined for a task that has ended, or is not in this namespace. */
  standing(namespace: string, taskId: string): Promise<Standing | undefined>;
  /** Puts the setting in the place of an earlier one; those who may now run are made ready. */
  setLimit(namespace: string, setting: LimitSetting): Promise<void>;
  /** Whether there was one. From then on the key has the limits that its tasks name. */
  removeLimit(namespace: string, key: string): Promise<boolean>;
  /** The keys that an operator has set, in their order, without how they stand. */
  limitKeys(namespace: string): Promise<readonly string[]>;
  /** The keys that an operator has set, in their order. */
  limits(namespace: string): Promise<readonly LimitState[]>;
  /** Any key; one that nobody uses has nothing running and nothing waiting. */
  limit(namespace: string, key: string): Promise<LimitState>;
}
