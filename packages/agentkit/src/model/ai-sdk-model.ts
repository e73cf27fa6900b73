import type { JSONSchema7, LanguageModelV4, LanguageModelV4CallOptions } from '@ai-sdk/provider';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import type { Usage } from '../message.ts';
import { PromptConverter } from './ai-sdk-prompt.ts';
import { type AiSdkReply, readGenerated, readStreamed } from './ai-sdk-reply.ts';
import type { ProviderBudget, ProviderPermit, ProviderRefusal } from './budget/provider-budget.ts';
import { toldBounds } from './budget/told-bounds.ts';
import { estimateTokens } from './estimate-tokens.ts';
import type { Model, ModelPrice, ModelReply, ModelRequest } from './model.ts';
import { modelError } from './model-error.ts';
import { costOf } from './prices.ts';

type ProviderOptions = NonNullable<LanguageModelV4CallOptions['providerOptions']>;
type ReasoningEffort = NonNullable<ModelRequest['reasoningEffort']>;

/** A key, and the budget that it shares with others of its kind. */
export interface KeyBudget {
  budget: ProviderBudget;
  key: string;
}

/** Answers are as a rule far shorter than they may be: a budget that held back the whole cap would stand idle. */
const expectedAnswerTokens = 1_000;

export interface AiSdkModelOptions {
  /** What cost is computed from. Default: unknown, and usage then says no cost. */
  price?: ModelPrice | undefined;
  /** Sent with every call, by the provider's name: `{ openai: { store: false } }`. */
  providerOptions?: ProviderOptions;
  /** How the effort is said to a provider that does not know the SDK's own word for it. */
  reasoningOptions?: (effort: ReasoningEffort) => ProviderOptions;
  /** Size of the context window. Default: unknown, and then long conversations are not compacted. */
  contextTokens?: number | undefined;
  maxOutputTokens?: number;
  /** What its calls wait for. Default: nothing. */
  budget?: KeyBudget | undefined;
  /** The provider always says why it stopped, so that a stream without it broke off. Default false. */
  alwaysSaysWhyItStopped?: boolean;
}

/**
 * A model on any provider of the AI SDK (`LanguageModelV4`). `id` is `provider/model`. Streams only when somebody
 * listens; makes one attempt. Throws `config_invalid` for what is no such model; its calls `model_failed` or `model_rejected`, or what aborted the call.
 */
export function aiSdkModel(
  id: string,
  languageModel: LanguageModelV4,
  options: AiSdkModelOptions = {},
): Model {
  if (typeof id !== 'string' || typeof languageModel?.doStream !== 'function')
    throw new OpspawnError(
      'config_invalid',
      'aiSdkModel takes an id, as provider/model, and a model of the AI SDK',
    );
  const converter = new PromptConverter();
  const call = async (request: ModelRequest): Promise<ModelReply> => {
    request.signal.throwIfAborted();
    const permit = await admit(id, request, options);
    try {
      const reply = await ask(languageModel, callOptions(request, converter, options), {
        ...options,
        onDelta: request.onDelta,
        onHeaders: (headers) => permit?.accepted(toldBounds(headers)),
      });
      const usage = usageOf(reply, options.price);
      const { content, finishReason } = reply;
      const tokens = usage.inputTokens + usage.outputTokens;
      permit?.settle({ tokens: tokens > 0 ? tokens : undefined });
      return { message: { role: 'assistant', content }, usage, finishReason, model: id };
    } catch (thrown) {
      const error = modelError(thrown, id, request.signal);
      permit?.settle({ refused: refusalOf(error) });
      throw error;
    }
  };
  const { price, contextTokens, maxOutputTokens } = options;
  return {
    id,
    ...(price === undefined ? {} : { price }),
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    call,
  };
}

/** Waits for the key's budget. What aborted the wait is reported as if it had aborted the call. */
async function admit(
  model: string,
  request: ModelRequest,
  { budget, maxOutputTokens: mostPossible }: AiSdkModelOptions,
): Promise<ProviderPermit | undefined> {
  const { signal, maxOutputTokens = mostPossible ?? 0 } = request;
  const { maxWaitMs, maxRetryAfterMs } = request;
  const tokens = estimateTokens(request) + Math.min(maxOutputTokens, expectedAnswerTokens);
  try {
    const bounds = { maxWaitMs, maxRetryAfterMs, signal };
    return await budget?.budget.admit({ key: budget.key, model, tokens, ...bounds });
  } catch (thrown) {
    throw modelError(thrown, model, signal);
  }
}

interface Asking extends Pick<AiSdkModelOptions, 'alwaysSaysWhyItStopped'> {
  onDelta: ModelRequest['onDelta'];
  onHeaders(headers: Record<string, string> | undefined): void;
}

async function ask(
  languageModel: LanguageModelV4,
  callOptions: LanguageModelV4CallOptions,
  { onDelta, onHeaders, alwaysSaysWhyItStopped = false }: Asking,
): Promise<AiSdkReply> {
  if (onDelta === undefined) {
    const result = await languageModel.doGenerate(callOptions);
    onHeaders(result.response?.headers);
    return readGenerated(result);
  }
  const { stream, response } = await languageModel.doStream(callOptions);
  onHeaders(response?.headers);
  return await readStreamed(stream, { onDelta, alwaysSaysWhyItStopped });
}

/** 429, and 529 as Anthropic says it, also in a stream. */
function refusalOf(error: Error): ProviderRefusal | undefined {
  if (!(error instanceof OpspawnError) || error.code !== 'model_failed') return undefined;
  const { status } = error.details;
  const isRefusal = status === 429 || status === 529 || (status === 503 && error.retryAfterMs !== undefined);
  return isRefusal ? { retryAfterMs: error.retryAfterMs } : undefined;
}

function callOptions(
  request: ModelRequest,
  converter: PromptConverter,
  options: AiSdkModelOptions,
): LanguageModelV4CallOptions {
  const { outputSchema, temperature, maxOutputTokens, reasoningEffort } = request;
  return {
    prompt: converter.messages(request.messages),
    abortSignal: request.signal,
    ...(request.tools.length > 0
      ? { tools: converter.tools(request.tools), toolChoice: toolChoice(request) }
      : {}),
    ...(outputSchema === undefined ? {} : { responseFormat: responseFormat(outputSchema) }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(reasoningEffort === undefined ? {} : { reasoning: reasoningEffort }),
    ...providerOptionsFor(reasoningEffort, options),
  };
}

function providerOptionsFor(
  effort: ReasoningEffort | undefined,
  { providerOptions, reasoningOptions }: AiSdkModelOptions,
): { providerOptions?: ProviderOptions } {
  if (effort !== undefined && reasoningOptions !== undefined) {
    return { providerOptions: { ...providerOptions, ...reasoningOptions(effort) } };
  }
  return providerOptions === undefined ? {} : { providerOptions };
}

function toolChoice({
  toolChoice = 'auto',
}: ModelRequest): NonNullable<LanguageModelV4CallOptions['toolChoice']> {
  return typeof toolChoice === 'string' ? { type: toolChoice } : { type: 'tool', toolName: toolChoice.tool };
}

const responseFormat = (schema: Json): NonNullable<LanguageModelV4CallOptions['responseFormat']> => ({
  type: 'json',
  name: 'output',
  schema: schema as JSONSchema7,
});

function usageOf({ usage, costMicroUsd }: AiSdkReply, price: ModelPrice | undefined): Usage {
  const { inputTokens: input, outputTokens: output } = usage;
  const cached = countOf(input.cacheRead);
  const cacheWrite = countOf(input.cacheWrite);
  const reasoning = countOf(output.reasoning);
  const tokens = {
    inputTokens: Math.max(
      countOf(input.total ?? (input.noCache ?? 0) + cached + cacheWrite),
      cached + cacheWrite,
    ),
    cachedInputTokens: cached,
    outputTokens: Math.max(countOf(output.total ?? (output.text ?? 0) + reasoning), reasoning),
    reasoningTokens: reasoning,
  };
  const isMetered = tokens.inputTokens + tokens.outputTokens > 0;
  const cost =
    costMicroUsd ?? (price !== undefined && isMetered ? costOf({ ...tokens, cacheWrite }, price) : undefined);
  return cost === undefined ? tokens : { ...tokens, costMicroUsd: cost };
}

/** Servers that only resemble the vendors' count in fractions, and below 0. */
const countOf = (tokens: number | undefined): number =>
  Number.isFinite(tokens) ? Math.max(0, Math.round(tokens as number)) : 0;
