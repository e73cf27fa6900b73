import { OpspawnError, recordError } from '@opspawn/agentkit';

/** A step whose effect was intended and whose result is not recorded. */
export interface OpenEffect {
  readonly branch: string;
  readonly name: string;
  readonly count: number;
}

/** For people: `name` alone for the first of its name at the root, otherwise `branch/name#count`. */
export const stepLabel = ({ branch, name, count }: OpenEffect): string =>
  `${branch === '' ? '' : `${branch}/`}${name}${count === 1 ? '' : `#${count}`}`;

/** What a task fails with whose time is up; it names the effects that are in doubt. `deadlineAt`: Unix ms. */
export function deadlineExceeded(deadlineAt: number, effects: readonly OpenEffect[]): OpspawnError {
  const inDoubt = effects.map(stepLabel);
  const time = new Date(deadlineAt).toISOString();
  const doubt = inDoubt.length === 0 ? '' : `; in doubt: ${inDoubt.join(', ')}`;
  return new OpspawnError(
    'deadline_exceeded',
    `The task did not end before its deadline at ${time}${doubt}`,
    {
      details: { deadlineAt: time, ...(inDoubt.length === 0 ? {} : { inDoubt }) },
    },
  );
}

/** The data of the entry that says so, JSON text. */
export const deadlineData = (deadlineAt: number, effects: readonly OpenEffect[]): string =>
  JSON.stringify({ error: recordError(deadlineExceeded(deadlineAt, effects)) });
