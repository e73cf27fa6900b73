import { OpspawnError } from '@opspawn/agentkit';
import type { Queue, UpdateQueue } from '@opspawn/sdk';
import type { Principal } from '../auth/principal.ts';
import type { QueueChange, QueueState } from '../storage/parts/queues.ts';

/** Throws `invalid_argument` for a reason without a pause. */
export function queueChange({ name }: Principal, { weight, paused, reason }: UpdateQueue): QueueChange {
  if (reason !== undefined && paused !== true)
    throw new OpspawnError('invalid_argument', 'A reason is given with `paused: true`', {
      details: { path: '/reason' },
    });
  return {
    ...(weight === undefined ? {} : { weight }),
    ...(paused === undefined
      ? {}
      : { pause: paused ? { by: name, ...(reason === undefined ? {} : { reason }) } : null }),
  };
}

export const viewQueue = ({ pause, oldestReadyAt, ...queue }: QueueState): Queue => ({
  ...queue,
  ...(pause === undefined ? {} : { pause: { ...pause, at: new Date(pause.at).toISOString() } }),
  ...(oldestReadyAt === undefined ? {} : { oldestReadyAt: new Date(oldestReadyAt).toISOString() }),
});
