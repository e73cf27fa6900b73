import { OpspawnError, type RecordedError, StepError, TimeoutError } from '@opspawn/agentkit';
import type { RecordKind } from './entry-data.ts';

/** What a caller gets for a recorded failure: the same live and on replay, but for the cause. */
export function errorOfFailure(
  kind: RecordKind,
  label: string,
  error: RecordedError,
  thrown: unknown,
): Error {
  const isWait = kind !== 'step' && kind !== 'llm' && kind !== 'tool' && kind !== 'child';
  if (isWait && error.name === 'TimeoutError') return new TimeoutError(label);
  return new StepError(label, error, thrown);
}

export const nestedStep = (outer: string, inner: string): OpspawnError =>
  new OpspawnError('nested_step', `"${inner}" is asked for inside the step "${outer}"`, {
    details: { outer, inner },
  });

export const ioOutsideStep = (step: string): OpspawnError =>
  new OpspawnError(
    'io_outside_step',
    `"${step}" was asked for after I/O outside a step: in another run it may come in another order`,
    { details: { step } },
  );
