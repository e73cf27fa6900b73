import { z } from 'zod';
import { checkOptions, having } from '../check-options.ts';
import type { Memory } from '../memory/memory.ts';
import type { ModelRegistry } from '../model/model.ts';
import type { Secrets, SecurityManager } from '../security/security.ts';
import type { Steps } from '../steps.ts';
import type { RunEnvironment } from './run-environment.ts';

const environmentSchema = z.looseObject({
  steps: having<Steps>('run', 'history'),
  models: having<ModelRegistry>('resolve'),
  memory: having<Memory>('messages', 'append'),
  secrets: having<Secrets>('get'),
  security: having<SecurityManager>('decide', 'redact'),
});

/** Throws `invalid_argument` for what cannot be run in. */
export const checkEnvironment = (environment: RunEnvironment): void =>
  checkOptions('The environment of the run', environmentSchema, environment, 'invalid_argument');
