import { endingMs } from './claim-request.ts';
import type { ClaimedTask, NewTask, Offer, StoreListener } from './store.ts';

/** Of a task that depends on no turn, limit or time. Once it is answered, its `end` says nothing more. */
export function offerFor(task: NewTask, listeners: readonly StoreListener[]): Offer | undefined {
  if (!isFree(task)) return undefined;
  for (const listener of listeners) {
    const offer = listener.offer?.(task);
    if (offer !== undefined) return offer;
  }
  return undefined;
}

const isFree = (task: NewTask): boolean =>
  task.sessionId === undefined &&
  task.parentId === undefined &&
  task.limits === undefined &&
  task.dueAt === undefined;

/** When its first attempt is over, Unix ms. */
export const attemptDeadline = (
  task: NewTask,
  { at, deadlineAt, attemptTimeoutMs }: { at: number; deadlineAt: number; attemptTimeoutMs: number },
): number => Math.min(at + (task.attemptTimeoutMs ?? attemptTimeoutMs), deadlineAt + endingMs);

/** `deadlineAt`: of the whole task, Unix ms; Infinity where it has none. */
export function claimedAtBirth(
  task: NewTask,
  { workerId, attemptTimeoutMs }: Offer,
  { at, deadlineAt }: { at: number; deadlineAt: number },
): ClaimedTask {
  const claimed: ClaimedTask = {
    taskId: task.id,
    attempt: 1,
    workerId,
    failures: 0,
    namespace: task.namespace,
    kind: task.kind,
    name: task.name,
    queue: task.queue,
    createdAt: at,
    lastSeq: 0,
    hasInbox: false,
    claimedAt: at,
    deadlineAt: attemptDeadline(task, { at, deadlineAt, attemptTimeoutMs }),
  };
  if (task.input !== undefined) claimed.input = task.input;
  if (task.options !== undefined) claimed.options = task.options;
  if (deadlineAt < Number.POSITIVE_INFINITY) claimed.taskDeadlineAt = deadlineAt;
  return claimed;
}
