import { z } from 'zod';
import { checkOptions, having } from '../../check-options.ts';
import { OpspawnError } from '../../errors.ts';
import type { Model, ModelProvider } from '../model.ts';
import { firstTool } from './first-tool.ts';

const modelsSchema = z.array(having<Model>('id', 'call'));

/**
 * The provider `scripted`: the given models beside `scripted/first-tool`, by the name behind the slash. Throws
 * `config_invalid` for what is no model.
 */
export function scriptedProvider(...models: readonly Model[]): ModelProvider {
  checkOptions('The list of scripted models', modelsSchema, models);
  const known = new Map([firstTool, ...models].map((model) => [model.id, model]));
  return (name) => {
    const model = known.get(`scripted/${name}`);
    if (model !== undefined) return model;
    throw new OpspawnError(
      'invalid_argument',
      `There is no model scripted/${name}. Known: ${[...known.keys()].join(', ')}`,
      {
        details: { models: [...known.keys()] },
      },
    );
  };
}
