import { describeThrown, OpspawnError } from '../errors.ts';
import { checkReply } from './check-reply.ts';
import type { Model, ModelReply, ModelRequest } from './model.ts';

/**
 * Asks the first model, and the next one when it fails, refuses, answers with nothing or takes longer than the request's
 * `timeoutMs`: one attempt each, in order. Once a piece of an answer was handed out two answers would run into one another:
 * then `onReset` is told first, and without one the failure is thrown. The reply's `model` says who answered. Throws, of
 * the failures after which trying again can help, the one that asks for the least wait, or else the last model's.
 */
export function fallbackModel(first: Model, ...others: readonly Model[]): Model {
  const models = [first, ...others];
  if (!models.every(isModel))
    throw new OpspawnError(
      'config_invalid',
      'fallbackModel takes models; names of models go into `model` of an agent',
    );
  return {
    id: first.id,
    ...smallest(models, 'contextTokens'),
    ...smallest(models, 'maxOutputTokens'),
    ...highestPrice(models),
    chainLength: models.length,
    call: (request) => callInOrder(models, request),
  };
}

const isModel = (model: Model): boolean => typeof model?.id === 'string' && typeof model.call === 'function';

/** While another model could answer, a key whose budget is used up for longer is passed over. */
const patienceMs = 5_000;

/** What a timer can hold. */
const maxTimerMs = 2_147_483_647;

async function callInOrder(models: readonly Model[], request: ModelRequest): Promise<ModelReply> {
  const { signal, timeoutMs, maxWaitMs = Number.POSITIVE_INFINITY } = request;
  const failures: unknown[] = [];
  for (const model of models.slice(0, -1)) {
    const ownSignal =
      timeoutMs === undefined
        ? signal
        : AbortSignal.any([signal, AbortSignal.timeout(Math.min(timeoutMs, maxTimerMs))]);
    const asked = { ...request, signal: ownSignal, maxWaitMs: Math.min(maxWaitMs, patienceMs) };
    const said = watchDeltas(asked);
    try {
      const reply = await model.call(asked);
      checkReply(request, reply, model.id);
      return reply;
    } catch (thrown) {
      if (signal.aborted || !(ownSignal.aborted || isModelError(thrown))) throw thrown;
      if (said.any && request.onReset === undefined) throw thrown;
      if (said.any) request.onReset?.(describeThrown(thrown));
      failures.push(thrown);
    }
  }
  try {
    return await (models.at(-1) as Model).call(request);
  } catch (thrown) {
    throw signal.aborted ? thrown : soonest([...failures, thrown]);
  }
}

/** One that is down for hours must not hold up another that is back in seconds. */
function soonest(failures: readonly unknown[]): unknown {
  const waitMs = (thrown: unknown): number =>
    thrown instanceof OpspawnError && thrown.retryable ? (thrown.retryAfterMs ?? 0) : Infinity;
  return failures.reduce((best, next) => (waitMs(next) <= waitMs(best) ? next : best));
}

/** Whether any piece of an answer came. What comes after its signal aborted is passed on no more. */
function watchDeltas(request: ModelRequest): { any: boolean } {
  const said = { any: false };
  const { onDelta, signal } = request;
  if (onDelta === undefined) return said;
  const passOn: typeof onDelta = (delta) => {
    if (signal.aborted) return;
    said.any = true;
    onDelta(delta);
  };
  request.onDelta = passOn;
  return said;
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
