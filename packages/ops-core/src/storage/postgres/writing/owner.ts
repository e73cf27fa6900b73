import { OpspawnError } from '@opspawn/agentkit/schema';
import type { NewEntry, Owner } from '../../store.ts';

export const byOwner = (a: { owner: Owner }, b: { owner: Owner }): number =>
  a.owner.taskId < b.owner.taskId ? -1 : a.owner.taskId > b.owner.taskId ? 1 : 0;

/** UTF-8 would replace half of a surrogate pair, and the step would not be found again. Throws `invalid_argument`. */
export function checkStepNames({ entries }: { entries: readonly NewEntry[] }): void {
  for (const { branch, name } of entries) {
    const text = [branch, name].find((part) => part?.isWellFormed() === false);
    if (text === undefined) continue;
    throw new OpspawnError(
      'invalid_argument',
      `The step name ${JSON.stringify(text)} is not well-formed Unicode`,
    );
  }
}
