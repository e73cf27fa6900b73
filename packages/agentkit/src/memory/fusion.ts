/** Of Cormack, Clarke and Büttcher, Reciprocal Rank Fusion outperforms Condorcet (2009). */
const k = 60;

/** Several rankings as one: each gives an item 1 / (60 + rank), and the sums decide. Ties keep the order of the first lists. */
export function fuse<Item extends { id: string }>(rankings: readonly (readonly Item[])[]): Item[] {
  const scores = new Map<string, { item: Item; score: number }>();
  for (const ranking of rankings) {
    for (const [index, item] of ranking.entries()) {
      const known = scores.get(item.id) ?? { item, score: 0 };
      known.score += 1 / (k + index + 1);
      scores.set(item.id, known);
    }
  }
  return [...scores.values()].sort((a, b) => b.score - a.score).map(({ item }) => item);
}
