import { z } from 'zod';
import { nameSchema } from './task.ts';

export const queueNameSchema = nameSchema.describe('What tasks and definitions name as their `queue`');

const weightSchema = z
  .int()
  .min(1)
  .max(1_000)
  .describe('Its share of a worker’s capacity beside the namespace’s other queues that have work');

export const updateQueueSchema = z
  .strictObject({
    weight: weightSchema.optional(),
    paused: z.boolean().optional().describe('true: nothing of it starts any more; false: it goes on'),
    reason: z.string().min(1).max(1_000).optional().describe('Why it is paused, for those who ask'),
  })
  .meta({
    id: 'UpdateQueue',
    examples: [{ paused: true, reason: 'The bank is closed' }, { paused: false }, { weight: 5 }],
  });

export type UpdateQueue = z.infer<typeof updateQueueSchema>;

const counted = z.int().nonnegative();

export const queueSchema = z
  .object({
    name: z.string(),
    weight: weightSchema,
    pause: z
      .object({ at: z.iso.datetime(), by: z.string(), reason: z.string().optional() })
      .optional()
      .describe('There while it is paused: since when, by whom and why'),
    ready: counted.describe('Tasks that a worker may take, but for a pause; each count goes to 10,000'),
    running: counted,
    waiting: counted.describe('Tasks that wait for a signal, a person, a child or a time of their own'),
    heldBack: counted.describe(
      'Tasks that are due later, behind their session or a limit, or paused one by one',
    ),
    oldestReadyAt: z.iso
      .datetime()
      .optional()
      .describe('Since when the first of the ready ones has been due'),
  })
  .meta({
    id: 'Queue',
    examples: [
      {
        name: 'mail',
        weight: 1,
        pause: { at: '2026-11-26T09:00:00.000Z', by: 'ada', reason: 'The bank is closed' },
        ready: 120,
        running: 0,
        waiting: 3,
        heldBack: 0,
        oldestReadyAt: '2026-11-26T08:59:00.000Z',
      },
    ],
  });
export type Queue = z.infer<typeof queueSchema>;

export const queueListSchema = z.object({ items: z.array(queueSchema) }).meta({ id: 'QueueList' });
