import { deadlineData, type OpenEffect } from '../../domain/deadline.ts';
import type { EntryRow } from '../../storage/store.ts';
import { identityKey } from '../durable/identity.ts';
import type { DurableOutcome } from '../durable/port.ts';
import type { Attempt, UnownedWrite } from './attempt.ts';

/** Whether the task's deadline ended the attempt: what it came to in the same moment counts no more, but for an end. */
export const isOverdue = ({ stopCause }: Attempt, { kind }: DurableOutcome): boolean =>
  stopCause === 'task_deadline' && (kind === 'stopped' || kind === 'failed');

/** The end of a task at its deadline: tried again it would only be later. Nothing may be being written. */
export async function deadlineEnd(attempt: Attempt): Promise<UnownedWrite> {
  const data = deadlineData(attempt.task.taskDeadlineAt ?? 0, openEffects(await attempt.journal()));
  return {
    op: 'finish',
    status: 'failed',
    entries: [{ seq: attempt.lastSeq + 1, type: 'task.failed', data }],
  };
}

/** Effects that were intended, and whose results are not recorded; as the stores find them. */
function openEffects(journal: readonly EntryRow[]): OpenEffect[] {
  const open = new Map<string, OpenEffect>();
  for (const { type, branch = '', name = '', count = 1 } of journal) {
    const key = identityKey(branch, name, count);
    if (type === 'step.intended') open.set(key, { branch, name, count });
    else if (type === 'step.completed' || type === 'step.failed') open.delete(key);
  }
  return [...open.values()];
}
