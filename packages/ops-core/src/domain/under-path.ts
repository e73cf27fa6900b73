import { OpspawnError } from '@opspawn/agentkit';

/**
 * The same error, with the JSON Pointers in its `details` (`path`, and that of each of `errors`) moved below `prefix`:
 * what was checked is part of something bigger. Throws what has no pointer as it is.
 */
export function throwUnderPath(thrown: unknown, prefix: string): never {
  if (!(thrown instanceof OpspawnError) || typeof thrown.details.path !== 'string') throw thrown;
  const { path, errors, ...details } = thrown.details;
  throw new OpspawnError(thrown.code, thrown.message, {
    cause: thrown,
    details: {
      ...details,
      path: `${prefix}${path}`,
      ...(Array.isArray(errors)
        ? { errors: errors.map((fault) => ({ ...fault, path: `${prefix}${fault.path}` })) }
        : {}),
    },
  });
}
