import type { MemoryBlock, MemoryItem, MemoryScope } from './memory.ts';

/** What may be seen: items whose scopes are all named by `scope`, and that live at `at` (Unix ms). */
export interface Visible {
  scope: MemoryScope;
  at: number;
}

/** Vectors of one kind can be compared: one embedding model with one number of dimensions. */
export interface VectorQuery {
  kind: string;
  vector: Float32Array;
}

/**
 * Where memories are kept. One interface, one list of contract cases, several engines. Every call names its namespace.
 * What ranks and fuses stands above it: `memoryOver`.
 */
export interface MemoryStore {
  /** Keeps an item with its words. One of that id that lives stays what it is, but lives as long as the longer of both. */
  put(item: MemoryItem, words: readonly string[]): Promise<{ item: MemoryItem; isNew: boolean }>;
  /** Items that have one of the words, the best by BM25 first. */
  byWords(visible: Visible, words: readonly string[], limit: number): Promise<readonly MemoryItem[]>;
  /** Items with a vector of that kind, the nearest by cosine first. */
  byVector(visible: Visible, query: VectorQuery, limit: number): Promise<readonly MemoryItem[]>;
  /** Items without a vector of that kind, the newest first. */
  withoutVector(visible: Visible, kind: string, limit: number): Promise<readonly MemoryItem[]>;
  /** In place of one of another kind. Items that are gone are left out. */
  putVectors(namespace: string, vectors: readonly ({ id: string } & VectorQuery)[]): Promise<void>;
  /** Whether it was visible. */
  remove(visible: Visible, id: string): Promise<boolean>;
  blocks(scope: MemoryScope): Promise<Readonly<Record<string, MemoryBlock>>>;
  writeBlock(scope: MemoryScope, name: string, block: MemoryBlock): Promise<void>;
}
