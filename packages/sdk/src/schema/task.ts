import { jsonSchema, usageSchema } from '@opspawn/agentkit/schema';
import { z } from 'zod';
import { recordedErrorSchema } from './entry.ts';

export const taskKindSchema = z.enum(['agent', 'function', 'workflow']);
export type TaskKind = z.infer<typeof taskKindSchema>;

export const taskStatuses = [
  'pending',
  'running',
  'waiting',
  'paused',
  'completed',
  'failed',
  'cancelled',
] as const;
export const taskStatusSchema = z.enum(taskStatuses);
export type TaskStatus = z.infer<typeof taskStatusSchema>;

const finishedStatuses: readonly TaskStatus[] = ['completed', 'failed', 'cancelled'];

/** Whether a task has come to its end. Only an operator's retry makes a failed one go on. */
export const isFinished = (status: TaskStatus): boolean => finishedStatuses.includes(status);

export const nameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/,
    'must be 1 to 63 of A-Z, a-z, 0-9, _ . - and start with a letter or digit',
  );

/** A key that a client chooses. Databases and logs show it, so it has no control characters. */
export const clientKeySchema = z
  .string()
  .min(1)
  .max(200)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  .regex(/^[^\u0000-\u001f\u007f]*$/, 'must have no control characters');

export const retryPolicySchema = z.strictObject({
  maxAttempts: z.int().min(1).max(1000).optional(),
  initialDelayMs: z.int().min(0).optional(),
  factor: z.number().min(1).max(100).optional(),
  maxDelayMs: z.int().min(0).optional(),
});

const longestDelayMs = 10 * 365 * 24 * 3_600_000;

export const rateSchema = z
  .strictObject({
    count: z.int().min(1).max(1_000_000),
    intervalMs: z
      .int()
      .min(1)
      .max(31 * 24 * 3_600_000),
  })
  .describe('At most `count` starts at once, and on average `count` in each interval');

/** A key under which a task counts, and what the task says of it. */
export const taskLimitSchema = z
  .object({
    key: z.string(),
    maxRunning: z.int().optional().describe('So many tasks run under the key at once'),
    rate: rateSchema.optional(),
  })
  .meta({ id: 'TaskLimit', examples: [{ key: 'customer-7', maxRunning: 1 }] });

/** What a client sends to have a task done. */
export const createTaskSchema = z.strictObject({
  kind: taskKindSchema.optional().describe('Needed only when two kinds have a definition of this name'),
  name: nameSchema.describe('Name of the agent, function or workflow'),
  input: jsonSchema.optional().describe('For an agent: a string, or { "prompt": … }'),
  queue: nameSchema.optional(),
  priority: z.int().min(0).max(9).optional().describe('0 is the most urgent; default 5'),
  runAt: z.iso.datetime({ offset: true }).optional().describe('Not before this time'),
  delayMs: z.int().min(0).max(longestDelayMs).optional().describe('In place of `runAt`: so long from now'),
  sessionId: clientKeySchema.optional().describe('Tasks of a session run one after the other'),
  concurrencyKey: clientKeySchema
    .optional()
    .describe('Tasks with this key run at most `concurrencyLimit` at once'),
  concurrencyLimit: z.int().min(1).max(1_000_000).optional().describe('Default 1'),
  rateKey: clientKeySchema.optional().describe('Tasks with this key start at the pace of `rateLimit`'),
  rateLimit: rateSchema.optional(),
  idempotencyKey: clientKeySchema
    .optional()
    .describe('The same key with the same request gives the same task'),
  retry: retryPolicySchema.optional(),
  attemptTimeoutMs: z
    .int()
    .min(1)
    .max(7 * 24 * 3_600_000)
    .optional()
    .describe('Of one attempt; default one hour'),
  timeoutMs: z
    .int()
    .min(1)
    .max(longestDelayMs)
    .optional()
    .describe('Of the whole task from when it is accepted: then it fails with `deadline_exceeded`'),
  deadlineAt: z.iso
    .datetime({ offset: true })
    .optional()
    .describe('In place of `timeoutMs`: the time itself'),
  budget: z
    .strictObject({
      tokens: z.int().min(1).max(1_000_000_000_000).optional().describe('Input and output tokens'),
      costMicroUsd: z.int().min(1).max(1_000_000_000_000).optional().describe('1,000,000 = 1 US dollar'),
    })
    .optional()
    .describe(
      'What the agents of the task and of all tasks below it may use together; default: the limits of its agent',
    ),
  injectMcpProxy: z.boolean().optional(),
  metadata: z.record(z.string().max(100), z.string().max(1000)).optional(),
});
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

const exampleTask = {
  id: '0197a3c2-7d1e-7b3a-9a55-3f0c2f6f8a01',
  namespace: 'default',
  kind: 'agent',
  name: 'folder-report',
  status: 'completed',
  queue: 'default',
  priority: 5,
  attempt: 1,
  failures: 0,
  input: { prompt: 'Report on ./docs' },
  output: '# Report\n\n12 files',
  waits: [],
  metadata: {},
  usage: {
    inputTokens: 1200,
    cachedInputTokens: 0,
    outputTokens: 300,
    reasoningTokens: 0,
    costMicroUsd: 940,
  },
  entries: 9,
  createdAt: '2026-11-21T09:00:00.000Z',
  finishedAt: '2026-11-21T09:00:03.250Z',
};

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
    limits: z.array(taskLimitSchema).optional().describe('The keys under which it counts'),
    parentId: z.uuid().optional(),
    idempotencyKey: z.string().optional(),
    metadata: z.record(z.string(), z.string()),
    usage: usageSchema.optional().describe('Tokens and cost of all model calls so far'),
    entries: z.int().nonnegative().describe('Length of the journal'),
    createdAt: z.iso.datetime(),
    dueAt: z.iso.datetime().optional(),
    deadlineAt: z.iso.datetime().optional().describe('It fails when it has not ended by then'),
    finishedAt: z.iso.datetime().optional(),
  })
  .meta({ id: 'Task', examples: [exampleTask] });
export type Task = z.infer<typeof taskSchema>;
