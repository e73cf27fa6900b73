import { z } from 'zod';
import { nameSchema, taskLimitSchema, taskStatusSchema } from './task.ts';

/** What may hold a task back. */
export const whyCodes = [
  'finished',
  'running',
  'worker_lost',
  'ready',
  'due_later',
  'session',
  'limit',
  'rate',
  'no_worker',
  'queue_paused',
  'sleep',
  'signal',
  'approval',
  'question',
  'child',
  'doubt',
  'paused',
  'budget',
  'asked',
  'deadline',
] as const;

export const whyReasonSchema = z.object({
  code: z.enum(whyCodes),
  message: z.string().describe('The same for people'),
  until: z.iso.datetime().optional().describe('When it holds the task back no more, if that is known'),
  taskIds: z.array(z.string()).optional().describe('Tasks that it waits for, at most 10'),
  limit: taskLimitSchema.optional(),
  running: z.int().optional().describe('Tasks that have a place under the key'),
  worker: z.object({ id: z.string(), host: z.string().optional(), pid: z.int().optional() }).optional(),
  queue: nameSchema.optional(),
  definitions: z.array(z.string()).optional().describe('`KIND NAME` of what live workers of the queue run'),
  step: z.string().optional().describe('Of a wait: what `resolve` and the like take'),
});
export type WhyReason = z.infer<typeof whyReasonSchema>;

/** What holds a task back, all of it, the nearest first. */
export const whySchema = z
  .object({ taskId: z.uuid(), status: taskStatusSchema, reasons: z.array(whyReasonSchema).min(1) })
  .meta({
    id: 'Why',
    examples: [
      {
        taskId: '0197a3c2-7d1e-7b3a-9a55-3f0c2f6f8a01',
        status: 'pending',
        reasons: [
          {
            code: 'limit',
            message: '1 of 1 places under the key "customer-7" are taken',
            limit: { key: 'customer-7', maxRunning: 1 },
            running: 1,
            taskIds: ['0197a3c2-7d1e-7b3a-9a55-3f0c2f6f8a00'],
          },
        ],
      },
    ],
  });
export type Why = z.infer<typeof whySchema>;
