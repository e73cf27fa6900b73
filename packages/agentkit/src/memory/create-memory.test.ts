import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryCases, memoryClock } from './contract.ts';
import { createMemory } from './create-memory.ts';
import { inMemoryStore } from './in-memory-store.ts';
import { memoryOver } from './memory-over.ts';
import { rankByWords, searchedWords, wordsOf } from './word-ranking.ts';

describe('memory of this process', () => {
  for (const { promise, run } of memoryCases) {
    it(promise, async () => {
      const store = inMemoryStore();
      const sessions = createMemory();
      await run({
        clock: memoryClock(),
        open: (options) => ({ ...sessions, ...memoryOver(store, options) }),
      });
    });
  }

  it('refuses a time of expiry that is none', async () => {
    const memory = { text: 'x', scope: { namespace: 'a' }, source: { by: 'me', isFromOutside: false } };
    for (const expiresAt of [Number.NaN, 'soon', new Date()])
      await assert.rejects(createMemory().remember({ ...memory, expiresAt: expiresAt as number }), {
        code: 'invalid_argument',
      });
  });

  it('appends messages only, to a session that is named', async () => {
    const [memory, scope] = [createMemory(), { namespace: 'a', session: 's' }];
    const message = { role: 'user', content: 'as others write it' };
    for (const messages of [[message], 'x', undefined])
      await assert.rejects(memory.append(scope, 'run', messages as never), { code: 'invalid_argument' });
    await assert.rejects(memory.messages({ namespace: 'a' } as never), { code: 'invalid_argument' });
    assert.deepEqual(await memory.messages(scope), []);
  });

  it('gives what was there, whatever is appended later', async () => {
    const memory = createMemory();
    const scope = { namespace: 'a', session: 's' };
    const before = await memory.messages(scope);
    await memory.append(scope, 'run', [{ role: 'user', content: [] }]);
    assert.deepEqual(before, []);
    assert.deepEqual(await memory.messages({ namespace: 'a","s', session: '' }), []);
  });
});

describe('ranking by words', () => {
  const rank = (texts: readonly string[], query: string): number[] =>
    rankByWords(texts.map(wordsOf), wordsOf(query)).map(({ index }) => index);

  it('knows words of any script, without case and accents, and pairs of letters where there are no blanks', () => {
    assert.deepEqual(wordsOf('Öl & Café, 2026: 東京タワー'), [
      'ol',
      'cafe',
      '2026',
      '東京',
      '京タ',
      'タワ',
      'ワー',
      '東',
      '京',
    ]);
    assert.deepEqual(searchedWords('東京 茶'), ['東京', '茶']);
  });

  it('ranks rare words above common ones and short texts above long ones', () => {
    const texts = ['the cat', 'the dog', 'the dog and some more words about other things', 'the the the'];
    assert.deepEqual(rank(texts, 'the dog'), [1, 2, 3, 0]);
  });
});
