import { OpspawnError } from '../../errors.ts';
import type { Model, ModelProvider } from '../model.ts';
import { firstTool } from './first-tool.ts';

/** The provider `scripted`: the given models beside `scripted/first-tool`, by the name behind the slash. */
export function scriptedProvider(...models: readonly Model[]): ModelProvider {
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
