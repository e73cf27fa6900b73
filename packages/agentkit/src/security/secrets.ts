import { z } from 'zod';
import { checkOptions, textsByName } from '../check-options.ts';
import { keyVariables } from '../model/providers.ts';
import type { Secrets } from './security.ts';

/** Secrets that know what they gave out, so that it can be redacted. */
export interface KnownSecrets extends Secrets {
  /** Every value that may have reached somebody. */
  values(): Iterable<string>;
}

const recordSchema = textsByName(z.string());

/** Secrets from a plain record, by name. Throws `config_invalid` for one without a text: a variable that is not set. */
export function secretsFrom(record: Readonly<Record<string, string>>): KnownSecrets {
  checkOptions('The record of secrets', recordSchema, record);
  return {
    get: async (name) => (Object.hasOwn(record, name) ? record[name] : undefined),
    values: () => Object.values(record),
  };
}

/**
 * Secrets from this process's environment variables, read when they are asked for. An empty variable is none. Known
 * are those that were given out, and the keys of models that were set when this was called.
 */
export function environmentSecrets(): KnownSecrets {
  const given = new Set(keyVariables.flatMap((name) => process.env[name] || []));
  return {
    get: async (name) => {
      const value = process.env[name];
      if (!value) return undefined;
      given.add(value);
      return value;
    },
    values: () => given.values(),
  };
}
