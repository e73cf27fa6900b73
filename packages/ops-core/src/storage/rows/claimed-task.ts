import { OpspawnError } from '@opspawn/agentkit/schema';
import type { ClaimedTask } from '../store.ts';

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

export const leaseLost = (workerId: string): OpspawnError =>
  new OpspawnError('lease_lost', `Worker ${workerId} holds no lease`, { details: { workerId } });
