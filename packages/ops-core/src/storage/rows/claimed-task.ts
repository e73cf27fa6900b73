import { OpspawnError } from '@opspawn/agentkit/schema';
import { endingMs } from '../claim-request.ts';
import type { ClaimedTask, NewTask, Offer } from '../store.ts';

type Optional = 'input' | 'options' | 'sessionId' | 'parentId' | 'taskDeadlineAt';
/** Columns that may be null. */
type OptionalColumns = { readonly [Name in Optional]: NonNullable<ClaimedTask[Name]> | null };

/** Sets what is there: claims are hot, and an object that is spread together costs more. */
export function withColumns(
  claimed: ClaimedTask,
  { input, options, sessionId, parentId, taskDeadlineAt }: OptionalColumns,
): ClaimedTask {
  if (input !== null) claimed.input = input;
  if (options !== null) claimed.options = options;
  if (sessionId !== null) claimed.sessionId = sessionId;
  if (parentId !== null) claimed.parentId = parentId;
  if (taskDeadlineAt !== null) claimed.taskDeadlineAt = taskDeadlineAt;
  return claimed;
}

/** Of a task that was created as claimed. `deadlineAt`: of the whole task, Unix ms. */
export function begunTask(
  task: NewTask,
  { workerId, attemptTimeoutMs }: Offer,
  { at, deadlineAt }: { at: number; deadlineAt: number | undefined },
): ClaimedTask {
  const attemptEnd = at + (task.attemptTimeoutMs ?? attemptTimeoutMs);
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
    deadlineAt: deadlineAt === undefined ? attemptEnd : Math.min(attemptEnd, deadlineAt + endingMs),
  };
  const { input = null, options = null } = task;
  return withColumns(claimed, {
    input,
    options,
    sessionId: null,
    parentId: null,
    taskDeadlineAt: deadlineAt ?? null,
  });
}

export const leaseLost = (workerId: string): OpspawnError =>
  new OpspawnError('lease_lost', `Worker ${workerId} holds no lease`, { details: { workerId } });
