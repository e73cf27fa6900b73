import { OpspawnError } from '../errors.ts';
import type { Model } from './model.ts';

/** What a provider or a registry of somebody else's gave. Throws `config_invalid` for what is no model. */
export function checkModel(spec: string, model: Partial<Model> | undefined): Model {
  if (typeof model?.id === 'string' && typeof model.call === 'function') return model as Model;
  throw new OpspawnError('config_invalid', `The provider of ${spec} gave no model: one has an id and call`, {
    details: { model: spec },
  });
}
