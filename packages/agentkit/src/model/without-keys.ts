import { isOpspawnError, OpspawnError } from '../errors.ts';
import { createRedactor } from '../security/redactor.ts';
import type { Model } from './model.ts';

/** The model, whose failures hold none of these keys: providers quote them, and the secrets of a run may be others. */
export function withoutKeys(model: Model, keys: readonly string[]): Model {
  if (keys.length === 0) return model;
  const redact = createRedactor({ values: () => keys });
  return {
    ...model,
    async call(request) {
      try {
        return await model.call(request);
      } catch (thrown) {
        throw isOpspawnError(thrown) ? withMessage(thrown, redact(thrown.message)) : thrown;
      }
    },
  };
}

/** The cause would still hold what was taken out. */
function withMessage(error: OpspawnError, message: string): OpspawnError {
  if (message === error.message) return error;
  const { code, details, retryable, retryAfterMs } = error;
  return new OpspawnError(code, message, {
    details,
    retryable,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}
