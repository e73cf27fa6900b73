import type { JSONSchema7, LanguageModelV4, LanguageModelV4CallOptions } from '@ai-sdk/provider';
import type { Json } from '../json.ts';
import type { Usage } from '../message.ts';
import { PromptConverter } from './ai-sdk-prompt.ts';
import { type AiSdkReply, readGenerated, readStreamed } from './ai-sdk-reply.ts';
import type { Model, ModelPrice, ModelReply, ModelRequest } from './model.ts';
import { modelError } from './model-error.ts';
import { costOf } from './prices.ts';

type ProviderOptions = NonNullable<LanguageModelV4CallOptions['providerOptions']>;
type ReasoningEffort = NonNullable<ModelRequest['reasoningEffort']>;

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
  /** The provider always says why it stopped, so that a stream without it broke off. Default false. */
  alwaysSaysWhyItStopped?: boolean;
}

/**
 * A model on any provider of the AI SDK (`LanguageModelV4`). `id` is `provider/model`. Streams only when somebody
 * listens; makes one attempt. Throws `model_failed` or `model_rejected`, or what aborted the call.
 */
export function aiSdkModel(
  id: string,
  languageModel: LanguageModelV4,
  options: AiSdkModelOptions = {},
): Model {
  const converter = new PromptConverter();
  const call = async (request: ModelRequest): Promise<ModelReply> => {
    request.signal.throwIfAborted();
    try {
      const reply = await ask(
        languageModel,
        callOptions(request, converter, options),
        request.onDelta,
        options,
      );
      return {
        message: { role: 'assistant', content: reply.content },
        usage: usageOf(reply, options.price),
        finishReason: reply.finishReason,
        model: id,
      };
    } catch (thrown) {
      throw modelError(thrown, id, request.signal);
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

async function ask(
  languageModel: LanguageModelV4,
  callOptions: LanguageModelV4CallOptions,
  onDelta: ModelRequest['onDelta'],
  { alwaysSaysWhyItStopped = false }: AiSdkModelOptions,
): Promise<AiSdkReply> {
  if (onDelta === undefined) return readGenerated(await languageModel.doGenerate(callOptions));
  const { stream } = await languageModel.doStream(callOptions);
  return await readStreamed(stream, { onDelta, alwaysSaysWhyItStopped });
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
  const cached = input.cacheRead ?? 0;
  const cacheWrite = input.cacheWrite ?? 0;
  const tokens = {
    inputTokens: input.total ?? (input.noCache ?? 0) + cached + cacheWrite,
    cachedInputTokens: cached,
    outputTokens: output.total ?? (output.text ?? 0) + (output.reasoning ?? 0),
    reasoningTokens: output.reasoning ?? 0,
  };
  const isMetered = tokens.inputTokens + tokens.outputTokens > 0;
  const cost =
    costMicroUsd ?? (price !== undefined && isMetered ? costOf({ ...tokens, cacheWrite }, price) : undefined);
  return cost === undefined ? tokens : { ...tokens, costMicroUsd: cost };
}
