import { type FieldError, OpspawnError } from '@opspawn/sdk';

const maxErrors = 100;

/** The `invalid_argument` of a request with these faults (at least one). */
export function invalidArgument(errors: readonly FieldError[]): OpspawnError {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const where = first === undefined || first.path === '' ? '' : `${first.path} `;
  return new OpspawnError(
    'invalid_argument',
    `${where}${first?.message ?? 'The request is invalid'}${more}`,
    {
      details: { errors: errors.slice(0, maxErrors) },
    },
  );
}

/** The JSON Pointer (RFC 6901) that these keys make. */
export const pointerTo = (...keys: readonly PropertyKey[]): string =>
  keys.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
