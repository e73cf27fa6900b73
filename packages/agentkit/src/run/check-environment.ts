import { z } from 'zod';
import { callable, checkOptions, having } from '../check-options.ts';
import type { McpHost } from '../mcp/mcp-host.ts';
import type { Memory } from '../memory/memory.ts';
import type { ModelRegistry } from '../model/model.ts';
import type { Secrets, SecurityManager } from '../security/security.ts';
import type { Steps } from '../steps.ts';
import { toolSchema } from '../tool/tool-schema.ts';
import type { RunEnvironment } from './run-environment.ts';

export const environmentParts = {
  steps: having<Steps>('run', 'history'),
  models: having<ModelRegistry>('resolve'),
  memory: having<Memory>('messages', 'append'),
  secrets: having<Secrets>('get'),
  security: having<SecurityManager>('decide', 'redact'),
  mcp: having<McpHost>('tools', 'proxy').optional(),
  toolContext: z.record(z.string(), z.unknown()).optional(),
  extraTools: z.record(z.string(), toolSchema).optional(),
  onEvent: callable.optional(),
  isWatched: callable.optional(),
} satisfies Record<keyof RunEnvironment, z.ZodType>;
const environmentSchema = z.looseObject(environmentParts);

/** Throws `invalid_argument` for what cannot be run in. */
export const checkEnvironment = (environment: RunEnvironment): void =>
  checkOptions('The environment of the run', environmentSchema, environment, 'invalid_argument');
