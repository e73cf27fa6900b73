/** Okapi BM25 with its usual constants (Robertson & Zaragoza, The Probabilistic Relevance Framework, 2009). */
const k1 = 1.2;
const b = 0.75;

/** A text's words: letters and digits of any script, in lower case, without accents. */
export function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

/** The texts that share a word with the query, best first, each with its index. Equal scores keep their order. */
export function rankByWords(texts: readonly string[], query: string): { index: number; score: number }[] {
  const wanted = new Set(wordsOf(query));
  const documents = texts.map((text) => countWords(wordsOf(text), wanted));
  const averageLength =
    documents.reduce((sum, { length }) => sum + length, 0) / Math.max(1, documents.length);
  const weights = new Map(
    [...wanted].map((word) => {
      const holding = documents.filter(({ counts }) => counts.has(word)).length;
      return [word, Math.log(1 + (documents.length - holding + 0.5) / (holding + 0.5))];
    }),
  );
  return documents
    .map(({ counts, length }, index) => {
      const norm = k1 * (1 - b + (b * length) / averageLength);
      let score = 0;
      for (const [word, count] of counts) {
        score += ((weights.get(word) ?? 0) * (count * (k1 + 1))) / (count + norm);
      }
      return { index, score };
    })
    .filter(({ score }) => score > 0)
    .sort((x, y) => y.score - x.score);
}

function countWords(words: readonly string[], wanted: ReadonlySet<string>) {
  const counts = new Map<string, number>();
  for (const word of words) if (wanted.has(word)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return { counts, length: words.length };
}
