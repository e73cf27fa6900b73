/** What every memory does, whatever it is kept in: cases without a runner. Each gets an empty store. */
import assert from 'node:assert/strict';
import { OpspawnError } from '../errors.ts';
import type { Message } from '../message.ts';
import { userMessage } from '../message.ts';
import { type FakeClock, fakeClock } from '../testing/fake-clock.ts';
import { scriptedEmbedder } from '../testing/scripted-embedder.ts';
import type { Memory, MemoryScope, NewMemory } from './memory.ts';
import type { MemoryOptions } from './memory-over.ts';

export interface MemoryUnderTest {
  /** A memory over the store of this case; all that are opened share it. */
  open(options: MemoryOptions): Memory;
  readonly clock: FakeClock;
}

export interface MemoryCase {
  readonly promise: string;
  run(subject: MemoryUnderTest): Promise<void>;
}

export const memoryClock = (): FakeClock => fakeClock(1_000);

const source = { by: 'test', isFromOutside: false };
const namespace = 'a';
const newMemory = (text: string, changes: Partial<NewMemory> = {}): NewMemory => ({
  text,
  scope: { namespace },
  source,
  ...changes,
});
const textsOf = async (memory: Memory, query: string, scope: MemoryScope = { namespace }, limit = 5) =>
  (await memory.recall(scope, query, { limit })).map(({ text }) => text);
const drinks = () =>
  scriptedEmbedder('drinks', [
    ['tea', 'beverage', 'drink'],
    ['car', 'vehicle'],
  ]);
const open = ({ open: openMemory, clock }: MemoryUnderTest, options: MemoryOptions = {}): Memory =>
  openMemory({ clock, ...options });

const wordCases: readonly MemoryCase[] = [
  {
    promise: 'recalls the best matches first, and nothing that shares no word',
    async run(subject) {
      const memory = open(subject);
      for (const text of [
        'The office is closed on Mondays',
        'Ada prefers tea to coffee, and green tea to black tea',
        'Tea is bought on Mondays',
      ])
        await memory.remember(newMemory(text));
      const texts = await textsOf(memory, 'which TEA does Ada like?');
      assert.deepEqual(
        texts.map((text) => text.slice(0, 3)),
        ['Ada', 'Tea'],
      );
      assert.equal((await textsOf(memory, 'mondays', { namespace }, 1)).length, 1);
      assert.deepEqual(await textsOf(memory, ''), []);
      assert.deepEqual(await textsOf(memory, '"*() OR NEAR -'), []);
      await memory.remember(newMemory('Grace likes 🦄'));
      assert.deepEqual(await textsOf(memory, 'who?🦄!'), ['Grace likes 🦄']);
      const long = Array.from({ length: 20_000 }, (_, n) => `word${n}`);
      assert.deepEqual(await textsOf(memory, `tea ${long.join(' ')}`, { namespace }, 1), [texts[0]]);
    },
  },
  {
    promise: 'finds words of any script, without case and accents, and within texts without blanks',
    async run(subject) {
      const memory = open(subject);
      for (const text of ['Öl im Café', '東京タワーは高い', 'คนไทยชอบชา', 'Ελλάδα'])
        await memory.remember(newMemory(text));
      assert.deepEqual(await textsOf(memory, 'ol cafe'), ['Öl im Café']);
      assert.deepEqual(await textsOf(memory, 'タワー'), ['東京タワーは高い']);
      assert.deepEqual(await textsOf(memory, 'ชอบ'), ['คนไทยชอบชา']);
      assert.deepEqual(await textsOf(memory, 'ΕΛΛΆΔΑ'), ['Ελλάδα']);
      for (const text of ['나는 서울에 산다', '我喜欢喝绿茶', 'Die Straße', 'Ο Οδυσσεύς'])
        await memory.remember(newMemory(text));
      assert.deepEqual(await textsOf(memory, '서울'), ['나는 서울에 산다']);
      assert.deepEqual(await textsOf(memory, '喝'), ['我喜欢喝绿茶']);
      assert.deepEqual(await textsOf(memory, '绿茶'), ['我喜欢喝绿茶']);
      assert.deepEqual(await textsOf(memory, '红茶'), []);
      assert.deepEqual(await textsOf(memory, 'STRASSE'), ['Die Straße']);
      assert.deepEqual(await textsOf(memory, 'ΟΔΥΣΣΕΥΣ'), ['Ο Οδυσσεύς']);
    },
  },
  {
    promise: 'keeps any text as it is, U+0000 and quotes among them',
    async run(subject) {
      const memory = open(subject);
      const text = 'tea \u0000\u0001 \'"; drop table memories; -- 🍵';
      const metadata = { 'a"': ['\u0000', 1, null] };
      const kept = await memory.remember(newMemory(text, { metadata, source: { ...source, taskId: 't' } }));
      assert.deepEqual(await memory.recall({ namespace }, 'tea'), [kept]);
      assert.equal(kept.text, text);
      assert.deepEqual(kept.metadata, metadata);
      const cut = await memory.remember(newMemory('cut \ud83c'));
      assert.deepEqual(await memory.recall({ namespace }, 'cut'), [cut]);
      assert.equal((await memory.remember(newMemory(cut.text))).id, cut.id);
      await memory.writeBlock({ namespace }, 'b', { text: 'cut \ud83c', isFromOutside: false });
      assert.deepEqual(await memory.blocks({ namespace }), {
        b: { text: 'cut \ufffd', isFromOutside: false },
      });
    },
  },
];

const scopeCases: readonly MemoryCase[] = [
  {
    promise: 'shows an item only to who names every scope that it was stored with',
    async run(subject) {
      const memory = open(subject);
      await memory.remember(newMemory('fact of all'));
      await memory.remember(newMemory('fact of the agent', { scope: { namespace, agent: 'x' } }));
      await memory.remember(newMemory('fact of the user', { scope: { namespace, agent: 'x', user: 'u' } }));
      await memory.remember(newMemory('fact of the session', { scope: { namespace, session: 's' } }));
      const seen = async (scope: MemoryScope) => (await textsOf(memory, 'fact', scope)).sort();
      assert.deepEqual(await seen({ namespace }), ['fact of all']);
      assert.deepEqual(await seen({ namespace, agent: 'x' }), ['fact of all', 'fact of the agent']);
      assert.equal((await seen({ namespace, agent: 'x', user: 'u', session: 's' })).length, 4);
      assert.deepEqual(await seen({ namespace: 'b', agent: 'x', user: 'u' }), []);
      await assert.rejects(memory.recall({ namespace: '' }, 'fact'), { code: 'invalid_argument' });
      const metadata = { at: new Date() as never };
      await assert.rejects(memory.remember(newMemory('x', { metadata })), { code: 'not_json' });
      await assert.rejects(memory.remember(newMemory('x', { scope: { namespace: '' } })), {
        code: 'invalid_argument',
      });
    },
  },
  {
    promise: 'is one memory however often the same is remembered in one scope, with its first source',
    async run(subject) {
      const memory = open(subject);
      const first = await memory.remember(newMemory('tea', { expiresAt: 5_000 }));
      subject.clock.advance(500);
      const other = { by: 'page', isFromOutside: true };
      const again = await memory.remember(newMemory('tea', { source: other, expiresAt: 9_000 }));
      assert.deepEqual(again, { ...first, expiresAt: 9_000 });
      await memory.remember(newMemory('tea', { expiresAt: 2_000 }));
      assert.deepEqual(await memory.recall({ namespace }, 'tea'), [again]);
      const { expiresAt: _, ...forever } = again;
      assert.deepEqual(await memory.remember(newMemory('tea')), forever);
      await memory.remember(newMemory('tea', { scope: { namespace, agent: 'x' } }));
      assert.equal((await memory.recall({ namespace, agent: 'x' }, 'tea')).length, 2);
    },
  },
  {
    promise: 'forgets on request, within the scope only, and by itself when the time has come',
    async run(subject) {
      const memory = open(subject);
      const { id, createdAt } = await memory.remember(newMemory('tea', { scope: { namespace, user: 'u' } }));
      assert.equal(createdAt, 1_000);
      assert.equal(await memory.forget({ namespace }, id), false);
      assert.equal(await memory.forget({ namespace: 'b', user: 'u' }, id), false);
      assert.equal(await memory.forget({ namespace, user: 'u' }, id), true);
      assert.equal(await memory.forget({ namespace, user: 'u' }, id), false);
      const mortal = await memory.remember(newMemory('tea', { expiresAt: 2_000 }));
      assert.equal((await textsOf(memory, 'tea')).length, 1);
      subject.clock.advance(1_000);
      assert.deepEqual(await textsOf(memory, 'tea'), []);
      assert.equal(await memory.forget({ namespace }, mortal.id), false);
      const born = await memory.remember(newMemory('tea', { expiresAt: 9_000 }));
      assert.equal(born.createdAt, 2_000);
      assert.equal((await textsOf(memory, 'tea')).length, 1);
    },
  },
];

const vectorCases: readonly MemoryCase[] = [
  {
    promise: 'takes any time at which an item expires, and any metadata that is JSON, and goes on',
    async run(subject) {
      const memory = open(subject);
      const never = 253_402_300_799_999;
      for (const [index, [asked, kept]] of [
        [1e17, never],
        [Number.MAX_VALUE, never],
        [5_000.5, 5_001],
        [-Number.MAX_VALUE, 0],
      ].entries()) {
        const { expiresAt } = await memory.remember(
          newMemory(`tea ${index}`, { expiresAt: asked as number }),
        );
        assert.equal(expiresAt, kept);
      }
      assert.deepEqual((await textsOf(memory, 'tea')).sort(), ['tea 0', 'tea 1', 'tea 2']);
      const metadata = JSON.parse('{"__proto__":{"a":1},"b":2}');
      await memory.remember(newMemory('cake', { metadata: { ...metadata, c: undefined } as never }));
      const [cake] = await memory.recall({ namespace }, 'cake');
      assert.equal(JSON.stringify(cake?.metadata), '{"__proto__":{"a":1},"b":2}');
    },
  },
  {
    promise: 'finds by meaning what shares no word, and puts first what both rankings find',
    async run(subject) {
      const memory = open(subject, { embedder: drinks() });
      for (const text of ['Ada likes tea', 'The vehicle is red', 'Ada has a favourite beverage'])
        await memory.remember(newMemory(text));
      assert.deepEqual((await textsOf(memory, 'drink')).slice(0, 2).sort(), [
        'Ada has a favourite beverage',
        'Ada likes tea',
      ]);
      assert.equal((await textsOf(memory, 'a beverage'))[0], 'Ada has a favourite beverage');
      assert.equal((await textsOf(memory, 'car'))[0], 'The vehicle is red');
      assert.deepEqual(await textsOf(memory, 'drink', { namespace: 'b' }), []);
    },
  },
  {
    promise: 'goes on with another embedding model, also one of other dimensions',
    async run(subject) {
      const before = open(subject, { embedder: drinks() });
      await before.remember(newMemory('Ada likes tea'));
      await before.remember(newMemory('The vehicle is red'));
      const embedder = scriptedEmbedder('other', [['x'], ['y'], ['tea', 'infusion'], ['vehicle']]);
      const after = open(subject, { embedder });
      assert.equal((await textsOf(after, 'infusion'))[0], 'Ada likes tea');
      const unnamed = { ...scriptedEmbedder('', [['tea', 'chai']]), id: 'scripted/other' };
      assert.equal((await textsOf(open(subject, { embedder: unnamed }), 'chai'))[0], 'Ada likes tea');
    },
  },
  {
    promise: 'falls back to words while the embedding model fails, and makes up for it later',
    async run(subject) {
      const failures: unknown[] = [];
      const down = async (): Promise<never> => {
        throw new OpspawnError('model_failed', 'down');
      };
      const failing = open(subject, {
        embedder: { id: drinks().id, embed: down },
        onEmbeddingFailed: (error) => failures.push(error),
      });
      await failing.remember(newMemory('Ada likes tea'));
      assert.deepEqual(await textsOf(failing, 'tea'), ['Ada likes tea']);
      assert.equal(failures.length, 2);
      assert.deepEqual(await textsOf(open(subject, { embedder: drinks() }), 'drink'), ['Ada likes tea']);
      const torn = open(subject, {
        embedder: { id: 'scripted/torn', embed: async () => [new Float32Array([Number.NaN])] },
      });
      assert.deepEqual(await textsOf(torn, 'tea'), ['Ada likes tea']);
      const hanging = open(subject, {
        embedder: { id: 'scripted/hanging', embed: () => new Promise<never>(() => {}) },
        embeddingTimeoutMs: 20,
      });
      await hanging.remember(newMemory('Grace likes coffee'));
      assert.deepEqual(await textsOf(hanging, 'coffee'), ['Grace likes coffee']);
      const stopped = AbortSignal.abort(new OpspawnError('cancelled', 'enough'));
      await assert.rejects(hanging.recall({ namespace }, 'coffee', { signal: stopped }), {
        code: 'cancelled',
      });
    },
  },
  {
    promise: 'uses those vectors of an embedding model that are some, and leaves out the others',
    async run(subject) {
      const failures: unknown[] = [];
      const vectors = new Map([
        ['none', []],
        ['zero', [0, 0]],
        ['huge', [1e300, 1]],
        ['other length', [1, 0, 0]],
        ['far', [0, 1]],
        ['near', [1, 0.1]],
        ['asked', [1, 0]],
      ]);
      const embedder = {
        id: 'scripted/odd',
        embed: async (texts: readonly string[]) =>
          texts.map((text) => Float32Array.from(vectors.get(text) ?? [])),
      };
      const words = open(subject);
      for (const text of vectors.keys()) if (text !== 'asked') await words.remember(newMemory(text));
      const memory = open(subject, { embedder, onEmbeddingFailed: (error) => failures.push(error) });
      assert.deepEqual(await textsOf(memory, 'asked'), ['near', 'far']);
      assert.deepEqual(await textsOf(memory, 'zero'), ['zero']);
      assert.ok(failures.every((error) => error instanceof OpspawnError && error.code === 'model_failed'));
      const fewer = { id: 'scripted/fewer', embed: async () => [] };
      assert.deepEqual(await textsOf(open(subject, { embedder: fewer }), 'near'), ['near']);
    },
  },
];

const said = (text: string): Message => userMessage(text);

const sessionCases: readonly MemoryCase[] = [
  {
    promise: 'keeps the messages of a session in order, of every run once, and its last compaction',
    async run(subject) {
      const memory = open(subject);
      const scope = { namespace, session: 's' };
      await memory.append(scope, 'run 1', [said('one')]);
      const compaction = { covered: 1, boundary: 'b', summary: 'one' };
      assert.equal(await memory.compaction?.(scope), undefined);
      await memory.append(scope, 'run 2', [said('two')], { compaction });
      await memory.append(scope, 'run 1', [said('one again')]);
      await memory.append(scope, 'run 3', []);
      assert.deepEqual(await memory.messages(scope), [said('one'), said('two')]);
      assert.deepEqual(await memory.compaction?.(scope), compaction);
      assert.deepEqual(await memory.messages({ namespace, session: 't' }), []);
      assert.deepEqual(await memory.messages({ namespace: 'b', session: 's' }), []);
      assert.equal(await memory.compaction?.({ namespace: 'b', session: 's' }), undefined);
    },
  },
  {
    promise: 'refuses what could not be read again, or would be seen by others, and goes on',
    async run(subject) {
      const memory = open(subject);
      const { text } = await memory.remember(newMemory('Ada likes tea'));
      const refused = (attempt: Promise<unknown>): Promise<void> =>
        assert.rejects(attempt, { name: 'OpspawnError', code: 'invalid_argument' });
      const odd: object[] = [
        ...[{ source: { by: 'x' } }, { source: undefined }, { scope: undefined }, { text: 5 }],
        ...[{ scope: { namespace, usr: 'ada' } }, { expireAt: 5 }, { expiresAt: 'soon' }, { metadata: [] }],
      ];
      for (const each of odd) await refused(memory.remember({ ...newMemory('tea'), ...each }));
      await refused(memory.remember(undefined as never));
      await refused(memory.recall({ namespace }, undefined as never));
      await refused(memory.recall({ namespace }, 'tea', { limit: -1 }));
      await refused(memory.forget({ namespace }, undefined as never));
      await refused(memory.writeBlock({ namespace }, 'notes', { text: 'x' } as never));
      assert.deepEqual(await textsOf(memory, 'tea'), [text]);
      assert.deepEqual(await memory.blocks({ namespace }), {});
    },
  },
  {
    promise: 'keeps the blocks of each scope apart, and of each the last text',
    async run(subject) {
      const memory = open(subject);
      const scope = { namespace, agent: 'x', session: 's' };
      assert.deepEqual(await memory.blocks(scope), {});
      await memory.writeBlock(scope, 'notes', { text: 'one', isFromOutside: false });
      await memory.writeBlock(scope, 'notes', { text: 'two \u0000', isFromOutside: true });
      await memory.writeBlock({ namespace, agent: 'x' }, 'notes', { text: 'other', isFromOutside: false });
      assert.deepEqual(await memory.blocks(scope), { notes: { text: 'two \u0000', isFromOutside: true } });
      assert.deepEqual(await memory.blocks({ ...scope, namespace: 'b' }), {});
      await assert.rejects(memory.blocks({ namespace: '' }), { code: 'invalid_argument' });
    },
  },
];

export const memoryCases: readonly MemoryCase[] = [
  ...wordCases,
  ...scopeCases,
  ...vectorCases,
  ...sessionCases,
];
