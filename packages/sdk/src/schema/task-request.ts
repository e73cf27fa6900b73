import { jsonSchema } from '@opspawn/agentkit/schema';
import { z } from 'zod';
import { entrySchema } from './entry.ts';
import { errorCodeSchema } from './problem.ts';
import {
  clientKeySchema,
  createTaskSchema,
  nameSchema,
  taskKindSchema,
  taskSchema,
  taskStatusSchema,
} from './task.ts';

/** UUIDs are kept in lower case and accepted in both. */
export const taskIdSchema = z.uuid().toLowerCase();

/** What REST takes: `createTaskSchema` and the name that earlier clients used for one field. */
export const createTaskRequestSchema = createTaskSchema
  .extend({
    inject_mcp_proxy: z.boolean().optional().meta({
      deprecated: true,
      description: 'Earlier name of `injectMcpProxy`; when both are there they must agree',
    }),
  })
  .meta({
    id: 'CreateTask',
    examples: [
      { name: 'folder-report', input: { prompt: 'Report on ./docs' }, idempotencyKey: 'report-2026-11-21' },
    ],
  });

export const maxBatchTasks = 10_000;

export const createTasksSchema = z
  .strictObject({ tasks: z.array(createTaskRequestSchema).min(1).max(maxBatchTasks) })
  .meta({ id: 'CreateTasks', examples: [{ tasks: [{ name: 'thumbnail', input: { file: 'a.png' } }] }] });

/** In the order of the request. Only a conflict of an idempotency key fails one task alone. */
export const createTasksResultSchema = z
  .object({
    items: z.array(
      z.discriminatedUnion('outcome', [
        z.object({ outcome: z.literal('created'), taskId: z.uuid() }),
        z.object({ outcome: z.literal('existing'), taskId: z.uuid() }),
        z.object({
          outcome: z.literal('failed'),
          error: z.object({ code: errorCodeSchema, message: z.string() }),
        }),
      ]),
    ),
  })
  .meta({
    id: 'CreateTasksResult',
    examples: [{ items: [{ outcome: 'created', taskId: '0197a3c2-7d1e-7b3a-9a55-3f0c2f6f8a01' }] }],
  });

/** All that is given must match. */
export const taskFilterSchema = z.strictObject({
  status: z.array(taskStatusSchema).min(1).max(7).optional().describe('Any of these'),
  kind: taskKindSchema.optional(),
  name: nameSchema.optional(),
  queue: nameSchema.optional(),
  sessionId: clientKeySchema.optional(),
  parentId: taskIdSchema.optional(),
  errorCode: errorCodeSchema.optional().describe('Only failed tasks have one'),
  createdAfter: z.iso.datetime({ offset: true }).optional().describe('Exclusive'),
  createdBefore: z.iso.datetime({ offset: true }).optional().describe('Exclusive'),
});

export const listTasksSchema = taskFilterSchema.extend({
  limit: z.int().min(1).max(200).default(50),
  cursor: z
    .string()
    .min(1)
    .max(1000)
    .optional()
    .describe('`nextCursor` of the page before, with the same filters'),
});

export const taskListSchema = z
  .object({
    items: z.array(taskSchema).describe('Newest first'),
    nextCursor: z.string().optional().describe('Absent on the last page'),
  })
  .meta({ id: 'TaskList' });

export const cancelTaskSchema = z
  .strictObject({ reason: z.string().max(10_000).optional() })
  .meta({ id: 'CancelTask', examples: [{ reason: 'The customer withdrew' }] });

export const signalTaskSchema = z
  .strictObject({
    name: nameSchema.describe('What the task’s `ctx.signal(name)` waits for'),
    data: jsonSchema.optional(),
    id: z.uuidv7().toLowerCase().optional().describe('The same id again is the same signal'),
  })
  .meta({ id: 'Signal', examples: [{ name: 'shipped', data: { parcel: 'P-1' } }] });

export const readJournalSchema = z.strictObject({
  after: z.int().min(0).default(0).describe('Entries with a greater `seq`'),
  limit: z.int().min(1).max(1000).default(200),
});

export const journalPageSchema = z
  .object({
    items: z.array(entrySchema),
    nextAfter: z.int().optional().describe('There when more may follow: `after` of the next page'),
  })
  .meta({ id: 'JournalPage' });

export const watchTaskSchema = z.strictObject({
  after: z
    .int()
    .min(0)
    .optional()
    .describe('Entries with a greater `seq`; default 0. `Last-Event-ID` counts more'),
});
