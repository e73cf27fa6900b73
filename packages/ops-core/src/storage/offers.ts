import type { NewTask, Offer, StoreListener } from './store.ts';

/** Nothing else has to be looked at: no turn in a session, no parent, no limit. */
export const isIndependent = (task: NewTask): boolean =>
  task.sessionId === undefined && task.parentId === undefined && task.limits === undefined;

/** From who would begin the task at once, if it may. */
export function offerFor(task: NewTask, listeners: readonly StoreListener[]): Offer | undefined {
  if (!isIndependent(task) || task.dueAt !== undefined) return undefined;
  for (const listener of listeners) {
    const offer = listener.offer?.(task);
    if (offer !== undefined) return offer;
  }
  return undefined;
}
