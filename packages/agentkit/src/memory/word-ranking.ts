/** Okapi BM25 with its usual constants (Robertson & Zaragoza, The Probabilistic Relevance Framework, 2009). */
const k1 = 1.2;
const b = 0.75;

/**
 * Scripts that are written without blanks, and Korean, whose words carry their particles: their texts are told apart by
 * pairs of letters.
 */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]{2,}/gu;
const longestWord = 64;

/**
 * A text's words: letters and digits of any script, whatever their case, without accents, at most 64 characters each, and
 * each emoji. Every backend finds memories by these, so that all of them find the same.
 */
export const wordsOf = (text: string): string[] =>
  split(text, (letters) => [...pairsOf(letters), ...singlesOf(letters)]);

/** The same of what is looked for: a Chinese character counts alone only where it stands alone. */
export const searchedWords = (query: string): string[] => split(query, pairsOf);

function split(text: string, apart: (letters: readonly string[]) => readonly string[]): string[] {
  const words =
    text
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .normalize('NFC')
      // ß and SS are one, as are the forms of sigma
      .toUpperCase()
      .toLowerCase()
      .replace(unspaced, (run) => ` ${apart([...run]).join(' ')} `)
      .match(/[\p{L}\p{N}]+|\p{Extended_Pictographic}/gu) ?? [];
  return words.map((word) => word.slice(0, longestWord));
}

/** One of them is often a word. */
const singlesOf = (letters: readonly string[]): string[] =>
  letters.filter((letter) => /\p{Script=Han}/u.test(letter));

const pairsOf = (letters: readonly string[]): string[] =>
  letters.slice(1).map((letter, index) => `${letters[index]}${letter}`);

/** The texts that share a word with the query, best first, each with its index. Equal scores keep their order. */
export function rankByWords(
  texts: readonly (readonly string[])[],
  query: readonly string[],
): { index: number; score: number }[] {
  const wanted = new Set(query);
  const documents = texts.map((words) => countWords(words, wanted));
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
