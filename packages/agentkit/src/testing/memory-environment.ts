import { z } from 'zod';
import { checkOptions, having } from '../check-options.ts';
import { createMemory } from '../memory/create-memory.ts';
import { type MemoryStepsOptions, memorySteps, memoryStepsSchema } from '../memory-steps.ts';
import type { Model } from '../model/model.ts';
import { createModelRegistry } from '../model/registry.ts';
import { scriptedProvider } from '../model/scripted/scripted-models.ts';
import { environmentParts } from '../run/check-environment.ts';
import type { RunEnvironment } from '../run/run-environment.ts';
import { secretsFrom } from '../security/secrets.ts';
import { createSecurityManager } from '../security/security-rules.ts';

export interface MemoryEnvironmentOptions extends Partial<Omit<RunEnvironment, 'models'>> {
  /** Found as `scripted/NAME`. */
  models?: readonly Model[];
  /** For the steps, when none are given. */
  stepOptions?: MemoryStepsOptions;
}

const optionsSchema = z
  .strictObject({
    ...environmentParts,
    models: z.array(having<Model>('id', 'call')),
    stepOptions: memoryStepsSchema,
  } satisfies Record<keyof MemoryEnvironmentOptions, z.ZodType>)
  .partial();

/**
 * What `runAgent` needs, all of it in memory: no key, no network, nothing of the process's environment. Throws
 * `config_invalid`, naming the path.
 */
export function memoryEnvironment(options: MemoryEnvironmentOptions = {}): RunEnvironment {
  checkOptions('The environment', optionsSchema, options);
  const { models = [], stepOptions, ...given } = options;
  return {
    steps: memorySteps(stepOptions),
    models: createModelRegistry({ providers: { scripted: scriptedProvider(...models) }, environment: {} }),
    memory: createMemory(),
    secrets: secretsFrom({}),
    security: createSecurityManager(),
    ...given,
  };
}
