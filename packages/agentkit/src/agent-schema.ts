import { z } from 'zod';
import type { AgentDefinition, AgentMemory, CompactionOptions, ModelOptions } from './agent.ts';
import { OpspawnError } from './errors.ts';
import type { Guardrail } from './guardrail.ts';
import { limitsSchema } from './limits.ts';
import type { BlockDefinition } from './memory/blocks.ts';
import type { Model } from './model/model.ts';
import type { Planner } from './planner/planner.ts';
import type { SecurityManager } from './security/security.ts';
import { describeProblem, listProblems } from './tool/problem-list.ts';
import type { SandboxAccess } from './tool/sandbox/sandbox-access.ts';
import type { StandardSchemaV1 } from './tool/standard-schema.ts';
import type { AskingTool, InlineTool, ProcessTool, SandboxTool, ToolInput, ToolOutput } from './tool/tool.ts';

/** Something with these methods (or other members), whatever made it. */
const having = <T>(...members: (keyof T & string)[]) =>
  z.custom<T>(
    (value) => typeof value === 'object' && value !== null && members.every((member) => member in value),
    `must be an object with ${members.join(', ')}`,
  );

const count = z.int().positive();
const callable = z.custom<(...args: never[]) => unknown>(
  (value) => typeof value === 'function',
  'must be a function',
);

const modelSchema = z.union([
  z.string().regex(/^[^/]+\/.+|^default$/, 'must be provider/model'),
  having<Model>('id', 'call'),
]);

const guardrailList = z
  .array(
    z.custom<Guardrail<never>>(
      (value) => typeof value === 'function' && value.name !== '',
      'must be a named function',
    ),
  )
  .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'have two of one name')
  .optional();

/** Every key of a tool. What stands in them is checked where it is used. */
const toolKeys: Record<
  keyof InlineTool<never> | keyof ProcessTool<never> | keyof SandboxTool<never> | keyof AskingTool<never>,
  z.ZodType
> = {
  description: z.string().min(1),
  input: z.custom<ToolInput>(
    (value) => (typeof value === 'object' || typeof value === 'function') && value !== null,
    'must be a Standard Schema or { jsonSchema }',
  ),
  isolation: z.enum(['inline', 'process', 'sandbox']).optional(),
  sandbox: z
    .strictObject({
      read: z.array(z.string()).optional(),
      write: z.array(z.string()).optional(),
      programs: z.boolean().optional(),
      tmpMb: count.optional(),
    } satisfies Record<keyof SandboxAccess, z.ZodType>)
    .optional(),
  reuse: z.enum(['call', 'always']).optional(),
  execute: callable.optional(),
  ask: callable.optional(),
  handoff: callable.optional(),
  isHeld: callable.optional(),
  letGo: callable.optional(),
  agents: z.array(having<AgentDefinition>('name', 'instructions')).optional(),
  memory: z.boolean().optional(),
  module: z.instanceof(URL).optional(),
  memoryMb: count.optional(),
  annotations: z
    .strictObject({
      readOnlyHint: z.boolean().optional(),
      idempotentHint: z.boolean().optional(),
      destructiveHint: z.boolean().optional(),
      openWorldHint: z.boolean().optional(),
    })
    .optional(),
  annotationsFor: callable.optional(),
  timeoutMs: count.optional(),
  concurrency: count.optional(),
  output: z
    .custom<ToolOutput>(
      (value) =>
        typeof value === 'object' && value !== null && ('~standard' in value || 'jsonSchema' in value),
      'must be a Standard Schema or { jsonSchema }',
    )
    .optional(),
  retry: z
    .strictObject({
      maxAttempts: count.optional(),
      initialDelayMs: z.number().nonnegative().optional(),
      factor: z.number().min(1).optional(),
      maxDelayMs: z.number().nonnegative().optional(),
    })
    .optional(),
  approval: z.union([z.enum(['always', 'never']), callable]).optional(),
  secrets: z.array(z.string()).optional(),
  context: having<StandardSchemaV1>('~standard').optional(),
  reconcile: callable.optional(),
  onUnknown: z.enum(['ask', 'retry', 'fail']).optional(),
};

const toolSchema = z
  .strictObject(toolKeys)
  .refine(
    ({ isolation = 'inline', module, execute, ask }) =>
      (isolation === 'inline' ? (execute ?? ask) : module) !== undefined,
    { error: 'needs execute, ask, or isolation: "process" or "sandbox" with module' },
  );

const agentSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be 1 to 63 of a-z 0-9 _ -, and begin with a letter or digit'),
  version: z.string().min(1).optional(),
  description: z.string().optional(),
  instructions: z.string().min(1),
  model: z.union([modelSchema, z.array(modelSchema).min(1)]).optional(),
  modelOptions: z
    .strictObject({
      temperature: z.number().nonnegative().optional(),
      maxOutputTokens: count.optional(),
      reasoningEffort: z.enum(['none', 'low', 'medium', 'high']).optional(),
      timeoutMs: count.optional(),
      maxRetryAfterMs: z.int().nonnegative().optional(),
    } satisfies Record<keyof ModelOptions, z.ZodType>)
    .optional(),
  tools: z
    .record(
      z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'a tool name is 1 to 64 of a-z A-Z 0-9 _ -'),
      toolSchema,
    )
    .optional(),
  mcp: z
    .strictObject({
      servers: z.array(z.string()),
      as: z.enum(['tools', 'proxy']).optional(),
      allow: z.array(z.string()).optional(),
      maxToolTokens: count.optional(),
    })
    .optional(),
  toolManager: callable.optional(),
  planner: having<Planner>('name', 'next').optional(),
  memory: z
    .strictObject({
      compaction: z
        .union([
          z.literal(false),
          z.strictObject({
            atShare: z.number().gt(0).lt(1).optional(),
            contextTokens: count.optional(),
          } satisfies Record<keyof CompactionOptions, z.ZodType>),
        ])
        .optional(),
      sessionMessages: count.optional(),
      blocks: z
        .record(
          z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'a block is named by 1 to 63 of a-z 0-9 _ -'),
          z.strictObject({
            description: z.string().optional(),
            text: z.string().optional(),
            maxLength: count.optional(),
            scope: z.enum(['session', 'agent', 'user']).optional(),
          } satisfies Record<keyof BlockDefinition, z.ZodType>),
        )
        .refine((blocks) => Object.keys(blocks).length > 0, 'must name a block')
        .optional(),
    } satisfies Record<keyof AgentMemory, z.ZodType>)
    .optional(),
  security: having<SecurityManager>('decide', 'redact').optional(),
  guardrails: z.strictObject({ input: guardrailList, output: guardrailList }).optional(),
  limits: limitsSchema.optional(),
  timeoutMs: z.int().positive().optional(),
  output: z
    .custom<StandardSchemaV1>(
      (value) =>
        ['object', 'function'].includes(typeof value) && value !== null && '~standard' in (value as object),
      'must be a Standard Schema',
    )
    .optional(),
} satisfies Record<keyof AgentDefinition, z.ZodType>);

/** Throws `config_invalid`, with the path of each problem, for what is no agent; a misspelt key is a problem. */
export function checkAgent(definition: AgentDefinition): void {
  const { error } = agentSchema.safeParse(definition);
  if (error === undefined) return;
  const problems = error.issues.flatMap(describeIssue);
  const name = typeof definition?.name === 'string' ? ` ${definition.name}` : '';
  throw new OpspawnError('config_invalid', `The agent${name} is not valid:\n${listProblems(problems)}`, {
    details: { problems },
  });
}

function describeIssue({ path, ...issue }: z.core.$ZodIssue): string[] {
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => describeProblem([...path, key], 'is not known'));
    case 'invalid_key':
      return issue.issues.map(({ message }) => describeProblem(path, message));
    case 'invalid_union':
      return [describeProblem(path, issue.errors.map(([first]) => first?.message).join(', or '))];
    default:
      return [describeProblem(path, issue.message)];
  }
}
