import { type QueueState, queueState } from '../../domain/task-state.ts';
import type { LimitState, LiveWorker, Standing, TaskLimit } from '../parts/flow-control.ts';
import { pauseFrom } from './queue-pause.ts';
import { parseLimits } from './task-limits.ts';

type Text = string | null;
type Int = number | null;
export type StandingRow = [
  state: QueueState,
  dueAt: Int,
  limits: Text,
  blockedBy: Text,
  workerId: Text,
  deadlineAt: Int,
  headOfSession: Text,
  queue: string,
  pausedAt: Int,
  pausedBy: Text,
  pausedReason: Text,
];

export interface StandingFacts {
  row: StandingRow;
  limit: LimitState | undefined;
  holder: (LiveWorker & { leaseUntilAt: number; isAlive: boolean }) | undefined;
  workers: readonly LiveWorker[];
  asked: readonly string[];
}

const stateNames = Object.fromEntries(
  Object.entries(queueState).map(([name, state]) => [state, name]),
) as Record<QueueState, keyof typeof queueState>;

export function standingFrom({ row, limit, holder, workers, asked }: StandingFacts): Standing {
  const [code, dueAt, limits, blockedBy, workerId, deadlineAt, headOfSession, queue, ...pause] = row;
  const queuePause = pauseFrom(...pause);
  const state = stateNames[code];
  const standing: Standing = {
    state,
    workers: workers.filter((worker) => worker.queues.includes(queue)),
    asked,
  };
  if (dueAt !== null) standing.dueAt = dueAt;
  if (queuePause !== undefined) standing.queuePause = queuePause;
  if (state === 'held' && headOfSession !== null) standing.behindTaskId = headOfSession;
  if (limit !== undefined && blockedBy !== null)
    standing.limit = { ...limit, inForce: limit.setting ?? limitOf(limits, blockedBy) };
  if (workerId !== null && deadlineAt !== null) {
    const { id, host, pid, leaseUntilAt } = holder ?? { id: workerId };
    standing.worker = {
      id,
      deadlineAt,
      ...(host === undefined || pid === undefined ? {} : { host, pid }),
      ...(holder?.isAlive === true && leaseUntilAt !== undefined ? { leaseUntilAt } : {}),
    };
  }
  return standing;
}

const limitOf = (limits: Text, key: string): TaskLimit =>
  parseLimits(limits).find((limit) => limit.key === key) ?? { key };
