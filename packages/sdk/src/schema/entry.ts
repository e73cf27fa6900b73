import { jsonSchema } from '@opspawn/agentkit/schema';
import { z } from 'zod';

/** An error as journals and APIs hold it, with its chain of causes. */
export const recordedErrorSchema = z
  .object({
    name: z.string(),
    code: z.string(),
    message: z.string(),
    details: z.record(z.string(), jsonSchema).optional(),
    // Said, because a declaration file would make `any` of it.
    get cause(): z.ZodOptional<typeof recordedErrorSchema> {
      return recordedErrorSchema.optional();
    },
  })
  .meta({ id: 'RecordedError' });

export const entryTypes = [
  /** Written ahead of a step with effect `once`. */
  'step.intended',
  'step.completed',
  'step.failed',
  /** An operator's retry: the failed entry `ref` counts no more. */
  'step.reopened',
  /** After a reopening: the entry `ref` was not asked for again. */
  'step.superseded',
  /** A sleep, signal, approval, question, child task or doubt is waited for; its end is a step.completed/failed. */
  'wait.opened',
  /** What a superseded attempt reported too late about an effect in doubt. */
  'doubt.evidence',
  'doubt.resolved',
  'attempt.failed',
  'cancel.requested',
  'task.paused',
  'task.resumed',
  'log',
  'task.completed',
  'task.failed',
  'task.cancelled',
] as const;

export const entryTypeSchema = z.enum(entryTypes);
export type EntryType = z.infer<typeof entryTypeSchema>;

/** One row of a task's journal. `(taskId, seq)` is its identity; `seq` starts at 1 without gaps. */
export const entrySchema = z
  .object({
    seq: z.int().positive(),
    type: entryTypeSchema,
    /** Number of the attempt that wrote it; 0 for the end of a task that was cancelled before any had begun. */
    attempt: z.int().nonnegative(),
    /** Unix time in ms, by the database's clock. */
    at: z.int(),
    /** Step identity; absent for entries that belong to no step. */
    branch: z.string().optional(),
    name: z.string().optional(),
    count: z.int().positive().optional(),
    /** Depends on the type; see the docs page on the journal. */
    data: jsonSchema.optional(),
  })
  .meta({
    id: 'Entry',
    examples: [
      {
        seq: 4,
        type: 'step.completed',
        attempt: 1,
        at: 1795251600120,
        branch: '',
        name: 'load order',
        count: 1,
      },
    ],
  });
export type Entry = z.infer<typeof entrySchema>;
