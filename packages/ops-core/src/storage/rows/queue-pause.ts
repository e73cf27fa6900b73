import type { QueuePause } from '../parts/queues.ts';

export const pauseFrom = (
  at: number | null,
  by: string | null,
  reason: string | null,
): QueuePause | undefined =>
  at === null || by === null ? undefined : { at, by, ...(reason === null ? {} : { reason }) };
