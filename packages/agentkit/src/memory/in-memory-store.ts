import type { MemoryBlock, MemoryItem, MemoryScope } from './memory.ts';
import type { MemoryStore, VectorQuery, Visible } from './memory-store.ts';
import { isVisible, scopeKey } from './scope.ts';
import { Nearest } from './vectors.ts';
import { rankByWords } from './word-ranking.ts';

interface Kept {
  item: MemoryItem;
  words: readonly string[];
  vector?: VectorQuery;
}

const expired = ({ expiresAt }: MemoryItem, at: number): boolean =>
  expiresAt !== undefined && expiresAt <= at;

/** Memories of this process. */
export function inMemoryStore(): MemoryStore {
  const namespaces = new Map<string, Map<string, Kept>>();
  const blocks = new Map<string, Map<string, MemoryBlock>>();
  const itemsOf = (namespace: string): Map<string, Kept> => {
    const items = namespaces.get(namespace) ?? new Map<string, Kept>();
    namespaces.set(namespace, items);
    return items;
  };
  const seen = ({ scope, at }: Visible): Kept[] => {
    const items = itemsOf(scope.namespace);
    for (const [id, { item }] of items) if (expired(item, at)) items.delete(id);
    return [...items.values()].filter(({ item }) => isVisible(item.scope, scope));
  };
  return {
    async put(item, words) {
      const items = itemsOf(item.scope.namespace);
      const known = items.get(item.id);
      if (known === undefined || expired(known.item, item.createdAt)) {
        items.set(item.id, { item, words });
        return { item, isNew: true };
      }
      known.item = longerLived(known.item, item.expiresAt);
      return { item: known.item, isNew: false };
    },
    async byWords(visible, words, limit) {
      const all = seen(visible);
      const ranked = rankByWords(
        all.map((kept) => kept.words),
        words,
      );
      return ranked.slice(0, limit).map(({ index }) => (all[index] as Kept).item);
    },
    async byVector(visible, { kind, vector }, limit) {
      const nearest = new Nearest<MemoryItem>(vector, limit);
      for (const kept of seen(visible))
        if (kept.vector?.kind === kind) nearest.add(kept.item, kept.vector.vector);
      return nearest.keys;
    },
    async withoutVector(visible, kind, limit) {
      const lacking = seen(visible).filter((kept) => kept.vector?.kind !== kind);
      return lacking
        .map(({ item }) => item)
        .reverse()
        .slice(0, limit);
    },
    async putVectors(namespace, vectors) {
      for (const { id, kind, vector } of vectors) {
        const kept = itemsOf(namespace).get(id);
        if (kept !== undefined) kept.vector = { kind, vector };
      }
    },
    async remove(visible, id) {
      const isThere = seen(visible).some(({ item }) => item.id === id);
      return isThere && itemsOf(visible.scope.namespace).delete(id);
    },
    async blocks(scope: MemoryScope) {
      return Object.fromEntries(blocks.get(scopeKey(scope)) ?? []);
    },
    async writeBlock(scope, name, block) {
      const named = blocks.get(scopeKey(scope)) ?? new Map<string, MemoryBlock>();
      blocks.set(scopeKey(scope), named.set(name, block));
    },
  };
}

function longerLived(item: MemoryItem, expiresAt: number | undefined): MemoryItem {
  if (item.expiresAt === undefined) return item;
  const { expiresAt: before, ...rest } = item;
  return expiresAt === undefined ? rest : { ...rest, expiresAt: Math.max(before, expiresAt) };
}
