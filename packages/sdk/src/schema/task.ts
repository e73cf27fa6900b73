import { jsonSchema, usageSchema } from '@opspawn/agentkit/schema';
import { z } from 'zod';
import { recordedErrorSchema } from './entry.ts';

export const taskKindSchema = z.enum(['agent', 'function', 'workflow']);
export type TaskKind = z.infer<typeof taskKindSchema>;

export const taskStatuses = ['pending', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled'] as const;
export const taskStatusSchema = z.enum(taskStatuses);
export type TaskStatus = z.infer<typeof taskStatusSchema>;

export const nameSchema = z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,62}$/i, 'must be 1 to 63 of a-z, 0-9, _ . -');

export const retryPolicySchema = z.strictObject({
  maxAttempts: z.int().min(1).max(1000).optional(),
  initialDelayMs: z.int().min(0).optional(),
  factor: z.number().min(1).max(100).optional(),
  maxDelayMs: z.int().min(0).optional(),
});

/** What a client sends to have a task done. */
export const createTaskSchema = z
  .strictObject({
    kind: taskKindSchema.optional().describe('Needed only when two kinds have a definition of this name'),
    name: nameSchema.describe('Name of the agent, function or workflow'),
    input: jsonSchema.optional().describe('For an agent: a string, or { "prompt": … }'),
    queue: nameSchema.optional(),
    priority: z.int().min(0).max(9).optional().describe('0 is the most urgent; default 5'),
    runAt: z.iso.datetime({ offset: true }).optional().describe('Not before this time'),
    sessionId: z.string().min(1).max(200).optional(),
    idempotencyKey: z.string().min(1).max(200).optional(),
    retry: retryPolicySchema.optional(),
    attemptTimeoutMs: z.int().min(1).max(7 * 24 * 3_600_000).optional().describe('Default one hour'),
    injectMcpProxy: z.boolean().optional(),
    metadata: z.record(z.string().max(100), z.string().max(1000)).optional(),
  })
  .meta({ id: 'CreateTask' });
export type CreateTask = z.infer<typeof createTaskSchema>;

/** What a waiting task waits for. `step` is what `resolve` and the CLI take. */
export const openWaitSchema = z
  .object({
    step: z.string().describe('The wait’s identity, for `resolve`'),
    kind: z.enum(['sleep', 'signal', 'approval', 'question', 'child', 'doubt']),
    name: z.string(),
    dueAt: z.iso.datetime().optional(),
    data: jsonSchema.optional(),
  })
  .meta({ id: 'OpenWait' });
export type OpenWait = z.infer<typeof openWaitSchema>;

export const taskSchema = z
  .object({
    id: z.uuid(),
    namespace: z.string(),
    kind: taskKindSchema,
    name: z.string(),
    status: taskStatusSchema,
    queue: z.string(),
    priority: z.int(),
    attempt: z.int().nonnegative().describe('How often a worker has claimed it'),
    failures: z.int().nonnegative(),
    input: jsonSchema.optional(),
    output: jsonSchema.optional(),
    error: recordedErrorSchema.optional(),
    waits: z.array(openWaitSchema).describe('Non-empty while waiting'),
    pausedReason: z.string().optional(),
    sessionId: z.string().optional(),
    parentId: z.uuid().optional(),
    idempotencyKey: z.string().optional(),
    metadata: z.record(z.string(), z.string()),
    usage: usageSchema.optional().describe('Tokens and cost of all model calls so far'),
    entries: z.int().nonnegative().describe('Length of the journal'),
    createdAt: z.iso.datetime(),
    dueAt: z.iso.datetime().optional(),
    finishedAt: z.iso.datetime().optional(),
  })
  .meta({ id: 'Task' });
export type Task = z.infer<typeof taskSchema>;

/** A person's or a policy's word on an effect in doubt. */
export const resolutionSchema = z
  .discriminatedUnion('action', [
    z.strictObject({ action: z.literal('retry') }),
    z.strictObject({ action: z.literal('result'), result: jsonSchema.optional() }),
    z.strictObject({ action: z.literal('fail'), message: z.string().optional() }),
  ])
  .meta({ id: 'Resolution' });
export type Resolution = z.infer<typeof resolutionSchema>;
