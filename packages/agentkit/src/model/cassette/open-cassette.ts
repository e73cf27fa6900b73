import type { Model } from '../model.ts';
import type { CassetteOptions } from './cassette-options.ts';

/**
 * A model that plays recorded exchanges, or records them. Throws `config_invalid` when the file is missing or broken;
 * calls throw `model_rejected`, saying what changed, for a request that was not recorded.
 */
export async function openCassette(options: CassetteOptions): Promise<Model> {
  // What reads, writes and compares is loaded by those who have a cassette.
  const { openCassetteModel } = await import('./cassette-model.ts');
  return await openCassetteModel(options);
}
