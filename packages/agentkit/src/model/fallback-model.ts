import { OpspawnError } from '../errors.ts';
import type { Model, ModelReply, ModelRequest } from './model.ts';

/**
 * Asks the first model, and the next one when it fails or refuses: one attempt each, in order. Once a piece of an
 * answer was handed out it asks no other (two answers would run into one another): the failure is then thrown, for
 * the caller to start anew. The reply's `model` says who answered. Throws the last model's error.
 */
export function fallbackModel(first: Model, ...others: readonly Model[]): Model {
  const models = [first, ...others];
  return {
    id: first.id,
    ...smallest(models, 'contextTokens'),
    ...smallest(models, 'maxOutputTokens'),
    ...highestPrice(models),
    call: (request) => callInOrder(models, request),
  };
}

/** While another model could answer, a key whose budget is used up for longer is passed over. */
const patienceMs = 5_000;

async function callInOrder(models: readonly Model[], request: ModelRequest): Promise<ModelReply> {
  let hasSpoken = false;
  const { onDelta } = request;
  const onFirstDelta: ModelRequest['onDelta'] =
    onDelta &&
    ((delta) => {
      hasSpoken = true;
      onDelta(delta);
    });
  let failure: unknown;
  for (const [index, model] of models.entries()) {
    const isLast = index === models.length - 1;
    try {
      return await model.call({
        ...request,
        ...(onFirstDelta && { onDelta: onFirstDelta }),
        ...(!isLast && { maxWaitMs: Math.min(request.maxWaitMs ?? Infinity, patienceMs) }),
      });
    } catch (thrown) {
      if (hasSpoken || request.signal.aborted || !isModelError(thrown)) throw thrown;
      failure = thrown;
    }
  }
  throw failure;
}

const modelErrors: ReadonlySet<string> = new Set(['model_failed', 'model_rejected', 'rate_limited']);
const isModelError = (thrown: unknown): boolean =>
  thrown instanceof OpspawnError && modelErrors.has(thrown.code);

/** A request must fit whichever model answers it. */
function smallest<Key extends 'contextTokens' | 'maxOutputTokens'>(
  models: readonly Model[],
  key: Key,
): { [K in Key]?: number } {
  const known = models.flatMap((model) => model[key] ?? []);
  return known.length === 0 ? {} : ({ [key]: Math.min(...known) } as { [K in Key]?: number });
}

/** What a run must reckon with. Unknown as soon as one of them is. */
function highestPrice(models: readonly Model[]): Pick<Model, 'price'> {
  const prices = models
    .flatMap(({ price }) => price ?? [])
    .sort((a, b) => b.outputMicroUsd - a.outputMicroUsd);
  const [price] = prices;
  return price === undefined || prices.length < models.length ? {} : { price };
}
