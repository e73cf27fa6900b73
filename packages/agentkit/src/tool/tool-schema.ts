import { z } from 'zod';
import type { AgentDefinition } from '../agent.ts';
import { describeProblem } from './problem-list.ts';
import type { SandboxAccess } from './sandbox/sandbox-access.ts';
import type { StandardSchemaV1 } from './standard-schema.ts';
import type { AskingTool, InlineTool, ProcessTool, SandboxTool, ToolInput, ToolOutput } from './tool.ts';

/** What is no method of these. */
const texts: ReadonlySet<string> = new Set(['id', 'name', 'instructions']);

/** Something with these methods (and texts), whatever made it. */
export const having = <T>(...members: (keyof T & string)[]) =>
  z.custom<T>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      members.every((member) => typeof (value as T)[member] === (texts.has(member) ? 'string' : 'function')),
    `must be an object with ${members.join(', ')}`,
  );

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

export const count = z.int().positive();
export const callable = z.custom<(...args: never[]) => unknown>(
  (value) => typeof value === 'function',
  'must be a function',
);

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
  output: schemaLike<ToolOutput>().optional(),
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
  context: z.custom<StandardSchemaV1>(isStandard, 'must be a Standard Schema').optional(),
  reconcile: callable.optional(),
  onUnknown: z.enum(['ask', 'retry', 'fail']).optional(),
};

export const toolSchema = z
  .strictObject(toolKeys)
  .refine(
    ({ isolation = 'inline', module, execute, ask }) =>
      (isolation === 'inline' ? (execute ?? ask) : module) !== undefined,
    { error: 'needs execute, ask, or isolation: "process" or "sandbox" with module' },
  )
  .refine(
    ({ isolation = 'inline', module, memoryMb, reuse }) =>
      isolation !== 'inline' || (module ?? memoryMb ?? reuse) === undefined,
    { error: 'has module, memoryMb or reuse, which need isolation: "process" or "sandbox"' },
  )
  .refine(({ isolation, sandbox }) => sandbox === undefined || isolation === 'sandbox', {
    error: 'has sandbox, which needs isolation: "sandbox"',
  });

/** One line for each thing that is wrong, with its path. */
export function describeIssue({ path, ...issue }: z.core.$ZodIssue): string[] {
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => describeProblem([...path, key], 'is not known'));
    case 'invalid_key':
      return issue.issues.map(({ message }) => describeProblem(path, message));
    case 'invalid_union':
      return [describeProblem(path, ofUnion(issue.message, issue.errors))];
    default:
      return [describeProblem(path, issue.message)];
  }
}

/** What it says itself, where it does; otherwise what each of its members says. */
const ofUnion = (message: string, errors: readonly z.core.$ZodIssue[][]): string =>
  message === 'Invalid input' ? errors.map(([first]) => first?.message).join(', or ') : message;
