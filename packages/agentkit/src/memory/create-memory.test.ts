import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Message } from '../message.ts';
import { fakeClock } from '../testing.ts';
import { createMemory } from './create-memory.ts';
import type { MemoryScope } from './memory.ts';
import { rankByWords, wordsOf } from './word-ranking.ts';

const said = (text: string): Message => ({ role: 'user', content: [{ type: 'text', text }] });

describe('short-term memory', () => {
  it('keeps the messages of a session in order, of every run once', async () => {
    const memory = createMemory();
    const scope = { namespace: 'a', session: 's' };
    await memory.append(scope, 'run 1', [said('one')]);
    const before = await memory.messages(scope);
    await memory.append(scope, 'run 2', [said('two')]);
    await memory.append(scope, 'run 1', [said('one again')]);
    assert.deepEqual(await memory.messages(scope), [said('one'), said('two')]);
    assert.deepEqual(before, [said('one')]);
  });

  it('keeps namespaces and sessions apart', async () => {
    const memory = createMemory();
    await memory.append({ namespace: 'a', session: 's' }, 'run', [said('secret')]);
    assert.deepEqual(await memory.messages({ namespace: 'b', session: 's' }), []);
    assert.deepEqual(await memory.messages({ namespace: 'a', session: 't' }), []);
    assert.deepEqual(await memory.messages({ namespace: 'a","s', session: '' }), []);
    await assert.rejects(memory.messages({ namespace: '', session: 's' }), { code: 'invalid_argument' });
  });
});

describe('long-term memory', () => {
  const remember = (
    memory: ReturnType<typeof createMemory>,
    text: string,
    scope: Partial<MemoryScope> = {},
  ) => memory.remember({ text, scope: { namespace: 'a', ...scope }, source: 'test' });

  it('recalls the best matches first, and nothing that shares no word', async () => {
    const memory = createMemory();
    for (const text of [
      'The office is closed on Mondays',
      'Ada prefers tea to coffee, and green tea to black tea',
      'Tea is bought on Mondays',
    ]) {
      await remember(memory, text);
    }
    const texts = (await memory.recall({ namespace: 'a' }, 'which TEA does Ada like?')).map(
      ({ text }) => text,
    );
    assert.deepEqual(
      texts.map((text) => text.slice(0, 3)),
      ['Ada', 'Tea'],
    );
    assert.equal((await memory.recall({ namespace: 'a' }, 'mondays', { limit: 1 })).length, 1);
    assert.deepEqual(await memory.recall({ namespace: 'a' }, ''), []);
  });

  it('shows an item only to who names every scope that it was stored with', async () => {
    const memory = createMemory();
    await remember(memory, 'fact of all');
    await remember(memory, 'fact of the agent', { agent: 'x' });
    await remember(memory, 'fact of the user', { agent: 'x', user: 'u' });
    const seen = async (scope: MemoryScope) =>
      (await memory.recall(scope, 'fact')).map(({ text }) => text).sort();
    assert.deepEqual(await seen({ namespace: 'a' }), ['fact of all']);
    assert.deepEqual(await seen({ namespace: 'a', agent: 'x' }), ['fact of all', 'fact of the agent']);
    assert.equal((await seen({ namespace: 'a', agent: 'x', user: 'u', session: 's' })).length, 3);
    assert.deepEqual(await seen({ namespace: 'b', agent: 'x', user: 'u' }), []);
  });

  it('forgets on request, within the scope only, and by itself when the time has come', async () => {
    const clock = fakeClock(1000);
    const memory = createMemory({ clock });
    const { id, createdAt } = await remember(memory, 'tea');
    assert.equal(createdAt, 1000);
    assert.equal(await memory.forget({ namespace: 'b' }, id), false);
    assert.equal(await memory.forget({ namespace: 'a' }, id), true);
    assert.equal(await memory.forget({ namespace: 'a' }, id), false);
    await memory.remember({ text: 'tea', scope: { namespace: 'a' }, source: 'x', expiresAt: 2000 });
    assert.equal((await memory.recall({ namespace: 'a' }, 'tea')).length, 1);
    clock.advance(1000);
    assert.deepEqual(await memory.recall({ namespace: 'a' }, 'tea'), []);
  });
});

describe('ranking by words', () => {
  it('knows words of any script, without case and accents', () => {
    assert.deepEqual(wordsOf('Öl & Café, 2026: 東京'), ['ol', 'cafe', '2026', '東京']);
  });

  it('ranks rare words above common ones and short texts above long ones', () => {
    const texts = ['the cat', 'the dog', 'the dog and some more words about other things', 'the the the'];
    assert.deepEqual(
      rankByWords(texts, 'the dog').map(({ index }) => index),
      [1, 2, 3, 0],
    );
  });
});
