import { createHash } from 'node:crypto';
import type { OpenAICompatibleChatLanguageModel } from '@ai-sdk/openai-compatible';
import type { EmbeddingModelV4, LanguageModelV4 } from '@ai-sdk/provider';
import { OpspawnError } from '../errors.ts';
import type { AiSdkModelOptions } from './ai-sdk-model.ts';
import { fetchOverHttp as fetch } from './fetch-over-http.ts';
import { incrementalChat } from './incremental-chat.ts';

/** Variables by name, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** One of the providers that come with agentkit. Its package is loaded when the first of its models is asked for. */
export interface BuiltInProvider {
  /** The variable that holds the key; undefined when a key is optional. */
  keyVariable: string | undefined;
  /** What bounds are kept apart by: the key, or the address of a server that may want none. */
  boundBy: readonly string[];
  /** Used when this provider is chosen and no model is named. */
  defaultModel: string | undefined;
  load(modelName: string, environment: Environment): Promise<LanguageModelV4>;
  /** Absent where the vendor has no embedding models. */
  loadEmbedding?(modelName: string, environment: Environment): Promise<EmbeddingModelV4>;
  options?: Omit<AiSdkModelOptions, 'price'>;
}

/**
 * In the order in which a key decides about the default model. A base URL of one's own comes from the variable that
 * the vendor's own SDK reads; it is always passed, so that no package looks into the process's environment itself.
 */
export const builtInProviders: Readonly<Record<string, BuiltInProvider>> = {
  openai: {
    keyVariable: 'OPENAI_API_KEY',
    boundBy: ['OPENAI_API_KEY', 'OPENAI_BASE_URL'],
    defaultModel: 'gpt-5.4-mini',
    // The conversation is ours and complete: nothing may depend on what the vendor stored (and deletes) of it.
    options: { providerOptions: { openai: { store: false } } },
    async load(modelName, environment) {
      const { createOpenAI } = await import('@ai-sdk/openai');
      const apiKey = required(environment, 'OPENAI_API_KEY');
      const baseURL = environment.OPENAI_BASE_URL ?? 'https://api.openai.com/v1';
      return createOpenAI({ apiKey, baseURL, fetch }).responses(modelName);
    },
    async loadEmbedding(modelName, environment) {
      const { createOpenAI } = await import('@ai-sdk/openai');
      const apiKey = required(environment, 'OPENAI_API_KEY');
      const baseURL = environment.OPENAI_BASE_URL ?? 'https://api.openai.com/v1';
      return createOpenAI({ apiKey, baseURL, fetch }).embedding(modelName);
    },
  },
  anthropic: {
    keyVariable: 'ANTHROPIC_API_KEY',
    boundBy: ['ANTHROPIC_API_KEY', 'ANTHROPIC_BASE_URL'],
    defaultModel: 'claude-sonnet-4-6',
    async load(modelName, environment) {
      const { createAnthropic } = await import('@ai-sdk/anthropic');
      const apiKey = required(environment, 'ANTHROPIC_API_KEY');
      const baseURL = environment.ANTHROPIC_BASE_URL ?? 'https://api.anthropic.com/v1';
      return createAnthropic({ apiKey, baseURL, fetch }).languageModel(modelName);
    },
  },
  google: {
    keyVariable: 'GOOGLE_GENERATIVE_AI_API_KEY',
    boundBy: ['GOOGLE_GENERATIVE_AI_API_KEY', 'GOOGLE_GENERATIVE_AI_BASE_URL'],
    defaultModel: 'gemini-3.5-flash',
    async load(modelName, environment) {
      const { createGoogle } = await import('@ai-sdk/google');
      const apiKey = required(environment, 'GOOGLE_GENERATIVE_AI_API_KEY');
      const baseURL =
        environment.GOOGLE_GENERATIVE_AI_BASE_URL ?? 'https://generativelanguage.googleapis.com/v1beta';
      return createGoogle({ apiKey, baseURL, fetch }).languageModel(modelName);
    },
    async loadEmbedding(modelName, environment) {
      const { createGoogle } = await import('@ai-sdk/google');
      const apiKey = required(environment, 'GOOGLE_GENERATIVE_AI_API_KEY');
      const baseURL =
        environment.GOOGLE_GENERATIVE_AI_BASE_URL ?? 'https://generativelanguage.googleapis.com/v1beta';
      return createGoogle({ apiKey, baseURL, fetch }).embedding(modelName);
    },
  },
  openrouter: {
    keyVariable: 'OPENROUTER_API_KEY',
    boundBy: ['OPENROUTER_API_KEY', 'OPENROUTER_BASE_URL'],
    defaultModel: 'openai/gpt-5.4-mini',
    options: {
      alwaysSaysWhyItStopped: true,
      reasoningOptions: (effort) => ({ openrouter: { reasoning: { effort } } }),
    },
    async load(modelName, environment) {
      const { createOpenRouter } = await import('@openrouter/ai-sdk-provider');
      const apiKey = required(environment, 'OPENROUTER_API_KEY');
      const baseURL = environment.OPENROUTER_BASE_URL ?? 'https://openrouter.ai/api/v1';
      return createOpenRouter({ apiKey, baseURL, fetch, compatibility: 'strict' }).chat(modelName);
    },
  },
  /** Any server that speaks OpenAI's chat completions: Ollama, vLLM, LM Studio, LiteLLM. */
  compatible: {
    keyVariable: undefined,
    boundBy: ['AGENTKIT_LLM_API_KEY', 'AGENTKIT_LLM_BASE_URL'],
    defaultModel: undefined,
    async load(modelName, environment) {
      const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
      const baseURL = required(environment, 'AGENTKIT_LLM_BASE_URL');
      const apiKey = environment.AGENTKIT_LLM_API_KEY;
      const options = {
        name: 'compatible',
        baseURL,
        includeUsage: true,
        supportsStructuredOutputs: true,
        ...(apiKey ? { apiKey } : {}),
      };
      const open = (fetch: typeof globalThis.fetch) =>
        createOpenAICompatible({ ...options, fetch }).chatModel(
          modelName,
        ) as OpenAICompatibleChatLanguageModel;
      return incrementalChat(open, fetch);
    },
    async loadEmbedding(modelName, environment) {
      const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
      const baseURL = required(environment, 'AGENTKIT_LLM_BASE_URL');
      const apiKey = environment.AGENTKIT_LLM_API_KEY;
      const options = { name: 'compatible', baseURL, fetch, ...(apiKey ? { apiKey } : {}) };
      return createOpenAICompatible(options).embeddingModel(modelName);
    },
  },
};

/** The variables that hold keys. */
export const keyVariables: readonly string[] = Object.values(builtInProviders).flatMap(({ boundBy }) =>
  boundBy.filter((variable) => variable.endsWith('_KEY')),
);

/** Names a key without telling it, and is the same in every process that holds it. */
export function keyName(provider: string, { boundBy }: BuiltInProvider, environment: Environment): string {
  const values = boundBy.map((variable) => environment[variable] ?? '');
  return `${provider}:${createHash('sha256').update(values.join('\n')).digest('hex').slice(0, 16)}`;
}

function required(environment: Environment, variable: string): string {
  const value = environment[variable];
  if (value) return value;
  throw new OpspawnError('config_invalid', `${variable} is not set`, { details: { variable } });
}
