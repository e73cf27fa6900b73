import type { EmbeddingModelV4 } from '@ai-sdk/provider';
import { OpspawnError } from '../errors.ts';
import { modelError } from '../model/model-error.ts';
import { builtInProviders, type Environment } from '../model/providers.ts';

/** Makes vectors of texts: near ones for texts that mean the same. */
export interface Embedder {
  /** `provider/model`. Vectors of another one are not compared with its own. */
  readonly id: string;
  /** One vector for each text, all of one length. Throws `model_failed` or `model_rejected`. */
  embed(texts: readonly string[], options?: { signal?: AbortSignal }): Promise<readonly Float32Array[]>;
}

const defaultBatch = 96;

/**
 * An embedding model by `provider/model` (`openai/text-embedding-3-small`): openai, google and compatible. Keys
 * and URLs come from the environment, as for language models; the provider is loaded at its first use. Throws
 * `invalid_argument` for a provider without embedding models; `config_invalid` comes with the first use.
 */
export function createEmbedder(spec: string, environment: Environment = process.env): Embedder {
  const slash = typeof spec === 'string' ? spec.indexOf('/') : 0;
  const [provider, modelName] = slash < 1 ? ['', ''] : [spec.slice(0, slash), spec.slice(slash + 1)];
  const builtIn = Object.hasOwn(builtInProviders, provider) ? builtInProviders[provider] : undefined;
  if (modelName === '' || builtIn?.loadEmbedding === undefined) {
    const known = Object.keys(builtInProviders).filter((name) => builtInProviders[name]?.loadEmbedding);
    throw new OpspawnError(
      'invalid_argument',
      `${typeof spec === 'string' ? JSON.stringify(spec) : typeof spec} is no embedding model: provider/model, with one of ${known.join(', ')}`,
    );
  }
  const { loadEmbedding } = builtIn;
  let loading: Promise<EmbeddingModelV4> | undefined;
  const load = (): Promise<EmbeddingModelV4> => {
    loading ??= loadEmbedding(modelName, environment);
    loading.catch(() => {
      loading = undefined;
    });
    return loading;
  };
  return {
    id: spec,
    async embed(texts, { signal = new AbortController().signal } = {}) {
      const model = await load();
      const batch = Math.min((await model.maxEmbeddingsPerCall) ?? defaultBatch, defaultBatch);
      const vectors: Float32Array[] = [];
      for (let from = 0; from < texts.length; from += batch) {
        try {
          const values = texts.slice(from, from + batch);
          const { embeddings } = await model.doEmbed({ values, abortSignal: signal });
          vectors.push(...embeddings.map((embedding) => Float32Array.from(embedding)));
        } catch (thrown) {
          throw modelError(thrown, spec, signal);
        }
      }
      return vectors;
    },
  };
}
