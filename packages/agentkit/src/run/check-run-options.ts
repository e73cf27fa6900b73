import { z } from 'zod';
import type { AgentDefinition } from '../agent.ts';
import { abortSignal, callable, checkOptions, having, notValid } from '../check-options.ts';
import { OpspawnError } from '../errors.ts';
import type { McpHost } from '../mcp/mcp-host.ts';
import type { Memory } from '../memory/memory.ts';
import type { ModelRegistry } from '../model/model.ts';
import type { KnownSecrets } from '../security/secrets.ts';
import type { SecurityManager } from '../security/security.ts';
import { toolSchema } from '../tool/tool-schema.ts';
import { allWithin } from './handed-to.ts';
import type { RunOptions } from './run-here.ts';

const optionsSchema = z.strictObject({
  sessionId: z.string().optional(),
  userId: z.string().optional(),
  injectMcpProxy: z.boolean().optional(),
  depth: z.int().nonnegative().optional(),
  taintedBy: z.array(z.string()).optional(),
  namespace: z.string().optional(),
  onApproval: callable.optional(),
  onQuestion: callable.optional(),
  onLog: callable.optional(),
  onEvent: callable.optional(),
  mcp: having<McpHost>('tools', 'proxy').optional(),
  extraTools: z.record(z.string(), toolSchema).optional(),
  toolContext: z.record(z.string(), z.unknown()).optional(),
  signal: abortSignal.optional(),
  models: having<ModelRegistry>('resolve').optional(),
  memory: having<Memory>('messages', 'append').optional(),
  secrets: having<KnownSecrets>('get', 'values').optional(),
  security: having<SecurityManager>('decide', 'redact').optional(),
} satisfies Record<keyof RunOptions, z.ZodType>);

/** Throws `invalid_argument` for an MCP host that nobody in the run would ask for anything. */
export function refuseUnusedHost(agent: AgentDefinition, options: RunOptions): void {
  const { mcp, injectMcpProxy = false, extraTools } = options;
  if (mcp === undefined || injectMcpProxy || agent.mcp !== undefined) return;
  if (allWithin(agent, extraTools).some((each) => each.mcp !== undefined)) return;
  const problem = `mcp: the agent ${agent.name} names no servers: give it mcp: { servers: [...] }, or the run injectMcpProxy: true`;
  throw notValid('An option of the run', [problem], 'invalid_argument');
}

/** Throws `invalid_argument`, with the path of each problem, for options that no run has, and for `more` than options. */
export function checkRunOptions(options: RunOptions, more: readonly unknown[]): void {
  checkOptions('An option of the run', optionsSchema, options, 'invalid_argument');
  if (more.length === 0) return;
  const message = 'A run takes a prompt and one object of options, and nothing after that';
  throw new OpspawnError('invalid_argument', message);
}
