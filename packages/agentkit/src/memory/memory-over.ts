import { z } from 'zod';
import { callable, checkOptions, count, having } from '../check-options.ts';
import { type Clock, systemClock } from '../clock.ts';
import { OpspawnError } from '../errors.ts';
import { assertJson } from '../json.ts';
import { runWithin } from '../run/run-within.ts';
import { tell } from '../tell.ts';
import { checkBlock, checkId, checkNewMemory, checkRecall, checkScope } from './check-memory.ts';
import type { Embedder } from './embedder.ts';
import { fuse } from './fusion.ts';
import type { Memory, MemoryItem, MemoryScope, NewMemory, RecallOptions } from './memory.ts';
import type { MemoryStore, Visible } from './memory-store.ts';
import { memoryId } from './scope.ts';
import { isVector, vectorsFailure } from './vectors.ts';
import { searchedWords, wordsOf } from './word-ranking.ts';

export interface MemoryOptions {
  /** Finds memories by meaning too. Default: by words alone. */
  embedder?: Embedder;
  /** How long the embedding model may take at a time, in ms; then words alone decide. Default 10,000. */
  embeddingTimeoutMs?: number;
  /** What times are taken from. Default: the system's. */
  clock?: Clock;
  /** Told when the embedding model failed, and words alone decided. */
  onEmbeddingFailed?: (error: unknown) => void;
}

export const memoryOptions = {
  embedder: having<Embedder>('id', 'embed').optional(),
  embeddingTimeoutMs: count.optional(),
  clock: having<Clock>('now', 'after').optional(),
  onEmbeddingFailed: callable.optional(),
} satisfies Record<keyof MemoryOptions, z.ZodType>;
const optionsSchema = z.strictObject(memoryOptions);
const storeSchema = having<MemoryStore>(
  'put',
  'byWords',
  'byVector',
  'withoutVector',
  'putVectors',
  'remove',
  'blocks',
  'writeBlock',
);

const defaultRecall = 5;
/** So many of each ranking are fused. */
const candidates = 50;
/** Memories that get the vector that they lack (an embedding model that failed, or another one) within one recall. */
const healedAtOnce = 64;
const longestText = 64 * 1024;
/** Of a query, its first ones: each more costs a database as much again, and tells less. */
const mostWords = 256;

type LongTerm = Pick<Memory, 'remember' | 'recall' | 'forget' | 'blocks' | 'writeBlock'>;

/** Long-term and working memory over a store: words always, vectors where there is an embedding model, both fused. Throws `config_invalid`. */
export function memoryOver(store: MemoryStore, options: MemoryOptions = {}): LongTerm {
  checkOptions('The store of the memory', storeSchema, store);
  checkOptions('The memory', optionsSchema, options);
  const { clock = systemClock } = options;
  const visibleTo = (scope: MemoryScope): Visible => {
    checkScope(scope);
    return { scope, at: clock.now() };
  };

  const vectorsOf = vectorsBy(options);

  const embed = async (items: readonly MemoryItem[], signal?: AbortSignal): Promise<void> => {
    const vectors = await vectorsOf(
      items.map(({ text }) => text),
      signal,
    );
    const [first] = items;
    if (first === undefined) return;
    const named = items.flatMap(({ id }, index) => {
      const vector = vectors[index];
      return vector === undefined ? [] : [{ id, ...vector }];
    });
    if (named.length > 0) await store.putVectors(first.scope.namespace, named);
  };

  const nearest = async (visible: Visible, query: string, signal?: AbortSignal) => {
    const [vector] = await vectorsOf([query], signal);
    if (vector === undefined) return [];
    await embed(await store.withoutVector(visible, vector.kind, healedAtOnce), signal);
    return await store.byVector(visible, vector, candidates);
  };

  return {
    async remember(memory) {
      checkMemory(memory);
      const { at } = visibleTo(memory.scope);
      const text = wellFormed(memory.text);
      const { item, isNew } = await store.put(
        { ...inWholeMs(memory), text, id: memoryId(memory.scope, text), createdAt: at },
        wordsOf(text),
      );
      if (isNew) await embed([item]);
      return item;
    },
    async recall(scope, query, options: RecallOptions = {}) {
      const visible = visibleTo(scope);
      checkRecall(query, options);
      const { limit = defaultRecall, signal } = options;
      if (query.trim() === '') return [];
      const words = [...new Set(searchedWords(query))].slice(0, mostWords);
      const byWords = words.length === 0 ? [] : await store.byWords(visible, words, candidates);
      return fuse([byWords, await nearest(visible, query, signal)]).slice(0, limit);
    },
    async forget(scope, id) {
      checkId(id);
      return await store.remove(visibleTo(scope), id);
    },
    async blocks(scope) {
      checkScope(scope);
      return await store.blocks(scope);
    },
    async writeBlock(scope, name, block) {
      checkScope(scope);
      checkBlock(name, block);
      await store.writeBlock(scope, name, { ...block, text: wellFormed(block.text) });
    },
  };
}

type VectorsOf = (
  texts: readonly string[],
  signal?: AbortSignal,
) => Promise<readonly ({ kind: string; vector: Float32Array } | undefined)[]>;

/** Undefined for a text where there is no embedding model, and where it failed: the words still find something. */
function vectorsBy({ embedder, embeddingTimeoutMs = 10_000, onEmbeddingFailed }: MemoryOptions): VectorsOf {
  return async (texts, signal = new AbortController().signal) => {
    if (embedder === undefined || texts.length === 0) return [];
    const { id } = embedder;
    const bounds = {
      what: `The embedding model ${id}`,
      signal,
      clock: systemClock,
      timeoutMs: embeddingTimeoutMs,
    };
    try {
      const vectors = await runWithin(bounds, (within) => embedder.embed(texts, { signal: within }));
      const failure = vectorsFailure(id, vectors, texts.length);
      if (failure !== undefined) tell(() => onEmbeddingFailed?.(failure));
      return texts.map((_, index) => {
        const vector = vectors[index];
        return vector && isVector(vector) ? { kind: `${id}:${vector.length}`, vector } : undefined;
      });
    } catch (thrown) {
      signal.throwIfAborted();
      tell(() => onEmbeddingFailed?.(thrown));
      return [];
    }
  };
}

function checkMemory(memory: NewMemory): void {
  checkNewMemory(memory);
  const { text, metadata } = memory;
  assertJson(metadata, 'metadata');
  if (text.trim() !== '' && text.length <= longestText) return;
  throw new OpspawnError('invalid_argument', `A memory is a text of 1 to ${longestText} characters`, {
    details: { path: 'text', length: text.length },
  });
}

/** Half of a surrogate pair becomes U+FFFD, as databases make of it: what is found is what was kept. */
const wellFormed = (text: string): string => Buffer.from(text).toString();

/** The end of the year 9999: what is later, databases hold in other ways or not at all. */
const lastTime = 253_402_300_799_999;

const inWholeMs = (memory: NewMemory): NewMemory =>
  memory.expiresAt === undefined
    ? memory
    : { ...memory, expiresAt: Math.min(Math.max(0, Math.ceil(memory.expiresAt)), lastTime) };
