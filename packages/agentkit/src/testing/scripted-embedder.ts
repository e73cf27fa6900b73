import { z } from 'zod';
import { checkOptions } from '../check-options.ts';
import type { Embedder } from '../memory/embedder.ts';
import { wordsOf } from '../memory/word-ranking.ts';

const meaningsSchema = z.array(z.array(z.string()));

/**
 * An embedding model that is rules: each list of words is one meaning and one dimension; a text's vector counts how many
 * of each it has. The last dimension stands for all other words. Throws `config_invalid` for what are no lists of words.
 */
export function scriptedEmbedder(name: string, meanings: readonly (readonly string[])[]): Embedder {
  checkOptions('The list of meanings', meaningsSchema, meanings);
  return {
    id: `scripted/${name}`,
    async embed(texts) {
      return texts.map((text) => {
        const vector = new Float32Array(meanings.length + 1);
        for (const word of wordsOf(text)) {
          const index = meanings.findIndex((words) => words.includes(word));
          if (index === -1) vector[meanings.length] = 0.1;
          else vector[index] = (vector[index] ?? 0) + 1;
        }
        return vector;
      });
    },
  };
}
