import { type Json, OpspawnError, type RecordedError, recordError } from '@opspawn/agentkit';
import type { DurableOutcome } from './port.ts';

/** How an attempt ends, before it is known where its journal ends. */
export type Ending =
  | { kind: 'completed'; value: string | undefined }
  | { kind: 'failed'; error: RecordedError; retryable: boolean; thrown: unknown; failedStep?: number }
  | { kind: 'cancelled'; reason: string }
  | {
      kind: 'paused';
      reason: Extract<DurableOutcome, { kind: 'paused' }>['reason'];
      details: Json;
    }
  | { kind: 'suspended' }
  | { kind: 'lost'; error: OpspawnError }
  | { kind: 'stopped'; error: OpspawnError };

export const pausedByOperator: Ending = { kind: 'paused', reason: 'operator', details: {} };

/** Failed for good: trying again comes to the same. */
export const failedFinally = (thrown: unknown): Ending => ({
  kind: 'failed',
  error: recordError(thrown),
  retryable: false,
  thrown,
});

/** What a refused write means: the lease is gone, or what is to be written cannot be. */
export const refusedWrite = (thrown: unknown): Ending =>
  thrown instanceof OpspawnError && thrown.code === 'lease_lost'
    ? { kind: 'lost', error: thrown }
    : failedFinally(thrown);
