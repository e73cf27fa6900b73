import { z } from 'zod';
import type { AgentDefinition } from '../agent.ts';
import { callable, count, having } from '../check-options.ts';
import { retrySchema } from '../retry.ts';
import type { SandboxAccess } from './sandbox/sandbox-access.ts';
import type { StandardSchemaV1 } from './standard-schema.ts';
import type {
  AskingTool,
  InlineTool,
  ProcessTool,
  SandboxTool,
  ToolAnnotations,
  ToolInput,
  ToolOutput,
} from './tool.ts';

/** Some vendors' schemas are functions. */
const isStandard = (value: unknown): boolean =>
  (typeof value === 'object' || typeof value === 'function') && value !== null && '~standard' in value;

const isSchema = (value: unknown): boolean =>
  isStandard(value) ||
  (typeof value === 'object' &&
    value !== null &&
    'jsonSchema' in value &&
    (!('validate' in value) || value.validate === undefined || isStandard(value.validate)));

export const schemaLike = <T>() =>
  z.custom<T>(
    isSchema,
    'must be a Standard Schema or { jsonSchema }, with validate a Standard Schema; what zod before 3.24 makes is none',
  );

export const annotationsSchema = z.strictObject({
  readOnlyHint: z.boolean().optional(),
  idempotentHint: z.boolean().optional(),
  destructiveHint: z.boolean().optional(),
  openWorldHint: z.boolean().optional(),
} satisfies Record<keyof ToolAnnotations, z.ZodType>);

/** Every key of a tool. What stands in them is checked where it is used. */
const toolKeys: Record<
  keyof InlineTool<never> | keyof ProcessTool<never> | keyof SandboxTool<never> | keyof AskingTool<never>,
  z.ZodType
> = {
  description: z.string().min(1),
  input: schemaLike<ToolInput>(),
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
  annotations: annotationsSchema.optional(),
  annotationsFor: callable.optional(),
  timeoutMs: count.optional(),
  concurrency: count.optional(),
  output: schemaLike<ToolOutput>().optional(),
  retry: retrySchema.optional(),
  approval: z.union([z.enum(['always', 'never']), callable]).optional(),
  secrets: z.array(z.string()).optional(),
  context: z.custom<StandardSchemaV1>(isStandard, 'must be a Standard Schema').optional(),
  reconcile: callable.optional(),
  onUnknown: z.enum(['ask', 'retry', 'fail']).optional(),
};

/** What only code in this process can be given. */
const inlineOnly: readonly string[] = ['execute', 'memory', 'handoff', 'isHeld', 'letGo'] satisfies Exclude<
  keyof InlineTool<never>,
  keyof ProcessTool<never>
>[];
const outsideOnly: readonly string[] = ['module', 'memoryMb', 'reuse'] satisfies Exclude<
  keyof ProcessTool<never>,
  keyof InlineTool<never>
>[];
/** All that a tool can have that runs no code. */
const askingKeys: readonly string[] = [
  'description',
  'input',
  'annotations',
  'approval',
  'ask',
  'agents',
] satisfies (keyof AskingTool<never>)[];

type AnyTool = z.infer<z.ZodObject<typeof toolKeys>>;

/** What a tool of its kind does not use, which would pass without a word; with the reason. */
function unused(tool: AnyTool): [keys: string[], reason: string] {
  const given = Object.keys(tool).filter((key) => tool[key as keyof AnyTool] !== undefined);
  const { isolation = 'inline', ask } = tool;
  if (ask !== undefined)
    return [given.filter((key) => !askingKeys.includes(key)), 'a tool with ask runs no code: its calls wait'];
  if (isolation !== 'inline')
    return [
      given.filter((key) => inlineOnly.includes(key)),
      `with isolation: "${isolation}" only module runs, in a process of its own`,
    ];
  const keys = given.filter((key) => outsideOnly.includes(key));
  return [keys, 'needs isolation: "process" or "sandbox"'];
}

export const toolSchema = z
  .strictObject(toolKeys)
  .refine(
    ({ isolation = 'inline', module, execute, ask }) =>
      ask !== undefined || (isolation === 'inline' ? execute : module) !== undefined,
    { error: 'needs execute, ask, or isolation: "process" or "sandbox" with module' },
  )
  .superRefine((tool, { addIssue }) => {
    const [keys, reason] = unused(tool);
    for (const key of keys) addIssue({ code: 'custom', path: [key], message: reason });
  })
  .refine(({ isolation, sandbox }) => sandbox === undefined || isolation === 'sandbox', {
    error: 'has sandbox, which needs isolation: "sandbox"',
  });
