import { z } from 'zod';
import { callable, checkOptions } from '../../check-options.ts';
import type { Model } from '../model.ts';
import type { CassetteOptions } from './cassette-options.ts';

const optionsSchema = z.strictObject({
  id: z.string().min(1),
  path: z.string().min(1),
  mode: z.enum(['replay', 'record', 'auto']).optional(),
  original: callable,
  redact: callable.optional(),
} satisfies Record<keyof CassetteOptions, z.ZodType>);

/**
 * A model that plays recorded exchanges, or records them. Throws `config_invalid` when the file is missing or broken;
 * calls throw `model_rejected`, saying what changed, for a request that was not recorded.
 */
export async function openCassette(options: CassetteOptions): Promise<Model> {
  checkOptions('The cassette', optionsSchema, options);
  // What reads, writes and compares is loaded by those who have a cassette.
  const { openCassetteModel } = await import('./cassette-model.ts');
  return await openCassetteModel(options);
}
