import { join } from 'node:path';
import { z } from 'zod';
import { callable, checkOptions, having } from '../../check-options.ts';
import { OpspawnError } from '../../errors.ts';
import { createRedactor } from '../../security/redactor.ts';
import type { Model, ModelProvider } from '../model.ts';
import type { Environment } from '../providers.ts';
import type { CassetteMode } from './cassette-options.ts';
import { openCassette } from './open-cassette.ts';

export interface CassetteProviderOptions {
  /** The model to record. */
  original: () => Model | Promise<Model>;
  /** Where `cassette/NAME` is `NAME.jsonl`. Default `cassettes`. */
  folder?: string;
  /** Default `auto`. */
  mode?: CassetteMode;
  /** Never written, beside what the run itself redacts. */
  secrets?: { values(): Iterable<string> };
}

const optionsSchema = z.strictObject({
  original: callable,
  folder: z.string().min(1).optional(),
  mode: z.enum(['replay', 'record', 'auto']).optional(),
  secrets: having<{ values(): Iterable<string> }>('values').optional(),
} satisfies Record<keyof CassetteProviderOptions, z.ZodType>);

/** The provider `cassette`: each name is a file of recorded exchanges. Throws `invalid_argument` for a name that leaves the folder. */
export function cassetteProvider(options: CassetteProviderOptions): ModelProvider {
  checkOptions('The provider of cassettes', optionsSchema, options);
  const { original, folder = 'cassettes', mode = 'auto', secrets } = options;
  return async (name) => {
    if (!/^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/.test(name)) {
      throw new OpspawnError(
        'invalid_argument',
        `${JSON.stringify(name)} is no name of a cassette: a path within its folder, of a-z A-Z 0-9 _ - . and /`,
      );
    }
    return await openCassette({
      id: `cassette/${name}`,
      path: join(folder, `${name}.jsonl`),
      mode,
      original,
      ...(secrets && { redact: createRedactor(secrets) }),
    });
  };
}

/**
 * What `AGENTKIT_CASSETTE_FOLDER` and `AGENTKIT_CASSETTE_MODE` ask for. Never written is the value of any variable
 * whose name says that it is a secret. Throws `config_invalid` for a mode that there is not.
 */
export function cassetteSettings(environment: Environment): Omit<CassetteProviderOptions, 'original'> {
  const { AGENTKIT_CASSETTE_FOLDER: folder, AGENTKIT_CASSETTE_MODE: mode = 'auto' } = environment;
  if (mode !== 'auto' && mode !== 'record' && mode !== 'replay') {
    throw new OpspawnError(
      'config_invalid',
      `AGENTKIT_CASSETTE_MODE is auto, record or replay, not "${mode}"`,
      {
        details: { variable: 'AGENTKIT_CASSETTE_MODE' },
      },
    );
  }
  return { mode, ...(folder && { folder }), secrets: { values: () => secretValues(environment) } };
}

function* secretValues(environment: Environment): Generator<string> {
  for (const [name, value] of Object.entries(environment)) {
    if (value && /KEY|TOKEN|SECRET|PASSW|CREDENTIAL/i.test(name)) yield value;
  }
}
