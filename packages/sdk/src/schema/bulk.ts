import { z } from 'zod';
import { taskFilterSchema } from './task-request.ts';

const bulkFields = {
  filter: taskFilterSchema.describe('An empty one means all tasks'),
  dryRun: z.literal(true).optional().describe('Only count what matches'),
  token: z.string().min(1).max(2000).optional().describe('Of the count, then of the call before'),
};

export const bulkTasksSchema = z
  .strictObject(bulkFields)
  .meta({ id: 'BulkTasks', examples: [{ filter: { name: 'thumbnail' }, dryRun: true }] });

export const bulkCancelSchema = z
  .strictObject({ ...bulkFields, reason: z.string().max(10_000).optional() })
  .meta({
    id: 'BulkCancel',
    examples: [{ filter: { status: ['pending'], name: 'thumbnail' }, dryRun: true }],
  });

export const bulkResultSchema = z
  .object({
    matched: z.int().nonnegative().describe('How many matched when they were counted'),
    done: z.int().nonnegative().describe('How many were told so far'),
    skipped: z
      .int()
      .nonnegative()
      .describe('How many were in another state by then, or gone; in the last answer all that were not told'),
    token: z.string().optional().describe('For the next call; absent when there is nothing left to do'),
  })
  .meta({ id: 'BulkResult' });
export type BulkResult = z.infer<typeof bulkResultSchema>;
