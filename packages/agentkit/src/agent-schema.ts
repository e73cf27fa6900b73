import { z } from 'zod';
import type { AgentDefinition, AgentMemory, AgentOutput, CompactionOptions, ModelOptions } from './agent.ts';
import { callable, count, describeIssue, having, notValid, readBy } from './check-options.ts';
import { describeThrown } from './errors.ts';
import type { Guardrail } from './guardrail.ts';
import { limitsSchema } from './limits.ts';
import type { BlockDefinition } from './memory/blocks.ts';
import type { Model } from './model/model.ts';
import type { Planner } from './planner/planner.ts';
import type { SecurityManager } from './security/security.ts';
import { inputSchemaOf, shownSchemaOf } from './tool/json-schema.ts';
import { describeProblem } from './tool/problem-list.ts';
import { schemaLike, toolSchema } from './tool/tool-schema.ts';

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

const agentSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be 1 to 63 of a-z 0-9 _ -, and begin with a letter or digit'),
  version: z.string().min(1).optional(),
  description: z.string().optional(),
  instructions: z.string().min(1),
  model: z
    .union([modelSchema, z.array(modelSchema).min(1)], 'must be provider/model, a model, or a list of these')
    .optional(),
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
  output: schemaLike<AgentOutput>().optional(),
} satisfies Record<keyof AgentDefinition, z.ZodType>);

/** Throws `config_invalid`, with the path of each problem, for what is no agent; a misspelt key is a problem. */
export function checkAgent(definition: AgentDefinition): void {
  const problems = readBy(() => problemsOf(definition), 'The agent', 'config_invalid');
  if (problems.length === 0) return;
  const name = typeof definition?.name === 'string' ? ` ${definition.name}` : '';
  throw notValid(`The agent${name}`, problems, 'config_invalid');
}

function problemsOf(definition: AgentDefinition): string[] {
  const { error } = agentSchema.safeParse(definition);
  return error === undefined ? unsaidSchemas(definition) : error.issues.flatMap(describeIssue);
}

/** Schemas that no model can be shown. What is said is kept for the runs. */
function unsaidSchemas({ tools = {}, output }: AgentDefinition): string[] {
  const problems: string[] = [];
  const look = (path: string[], say: () => unknown): void => {
    try {
      say();
    } catch (thrown) {
      problems.push(describeProblem(path, describeThrown(thrown)));
    }
  };
  for (const [name, { input }] of Object.entries(tools))
    look(['tools', name, 'input'], () => inputSchemaOf(input));
  if (output !== undefined) look(['output'], () => shownSchemaOf(output));
  return problems;
}
