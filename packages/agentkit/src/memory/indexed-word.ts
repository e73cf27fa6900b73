import { createHash } from 'node:crypto';

/**
 * A word as a database's index holds it: with its namespace before it, so that neither matches nor the weight of a word
 * reach beyond one, and in ASCII, so that no engine's idea of letters matters.
 */
export function indexedWords(namespace: string, words: readonly string[]): string[] {
  const prefix = createHash('sha256').update(namespace).digest('hex').slice(0, 12);
  return words.map(
    (word) => `${prefix}${/^[a-z0-9]+$/.test(word) ? `w${word}` : `x${Buffer.from(word).toString('hex')}`}`,
  );
}
