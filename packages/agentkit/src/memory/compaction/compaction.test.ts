import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { callsOf, type Message, userMessage } from '../../message.ts';
import { applies, boundaryOf, compacted, cutsOf, findCut, headLength } from './compaction.ts';
import { countAll, countTokens, loadTokenizer, mostTokens } from './count-tokens.ts';
import { transcriptOf } from './transcript.ts';

/** One exchange: a user's words, an answer, or calls with all or some of their results. */
const exchange = fc.oneof(
  fc.string().map((text): Message[] => [userMessage(text)]),
  fc.string().map((text): Message[] => [{ role: 'assistant', content: [{ type: 'text', text }] }]),
  fc.array(fc.string({ maxLength: 40 }), { minLength: 1, maxLength: 3 }).map((outputs): Message[] => [
    {
      role: 'assistant',
      content: outputs.map((_, n) => ({ type: 'tool-call', callId: `c${n}`, tool: 't', input: {} })),
    },
    {
      role: 'tool',
      content: outputs.map((output, n) => ({ type: 'tool-result', callId: `c${n}`, tool: 't', output })),
    },
  ]),
);

interface Conversation {
  messages: Message[];
  prompt: Message;
}

/** The prompt stands right behind the system message, or later in a session; the last calls may be pending. */
const conversation = fc
  .record({
    earlier: fc.array(exchange, { maxLength: 6 }),
    later: fc.array(exchange, { maxLength: 12 }),
    isPending: fc.boolean(),
  })
  .map(({ earlier, later, isPending }): Conversation => {
    const prompt = userMessage('the prompt');
    const messages = [
      { role: 'system', content: 'be' } as Message,
      ...earlier.flat(),
      prompt,
      ...later.flat(),
    ];
    if (isPending && messages.at(-1)?.role === 'tool') messages.pop();
    return { messages, prompt };
  });

const tokensOf = (message: Message): number => JSON.stringify(message).length;
const size = (messages: readonly Message[]): number =>
  messages.reduce((sum, message) => sum + tokensOf(message), 0);

/** Results without their call before them, and calls that stand before another message without their result. */
function torn(messages: readonly Message[]): string[] {
  const open = new Set<string>();
  const found: string[] = [];
  for (const [index, message] of messages.entries()) {
    if (message.role === 'tool')
      for (const { callId } of message.content) if (!open.delete(callId)) found.push(`result ${callId}`);
    if (message.role !== 'tool' && open.size > 0) found.push(`call before ${index}`);
    if (message.role === 'assistant') for (const { callId } of callsOf(message)) open.add(callId);
  }
  return found;
}

describe('a cut through any conversation', () => {
  const limits = fc.record({ keepTokens: fc.nat(2_000), mostTokens: fc.nat(4_000) });

  it('parts no call from its result, covers no pending call, and keeps the head byte by byte', () => {
    fc.assert(
      fc.property(conversation, limits, ({ messages, prompt }, { keepTokens, mostTokens }) => {
        const isPinned = (message: Message): boolean => message === prompt;
        const head = headLength(messages, isPinned);
        const covered = findCut(messages, { from: head, tokensOf, keepTokens, mostTokens });
        if (covered === undefined) return;
        const compaction = {
          covered,
          boundary: boundaryOf(messages[covered - 1] as Message),
          summary: 'short',
        };
        assert.ok(applies(compaction, messages));
        const sent = compacted(messages, compaction, isPinned);
        assert.deepEqual(torn(sent), []);
        assert.deepEqual(torn(messages.slice(0, covered)), []);
        assert.equal(JSON.stringify(sent.slice(0, head)), JSON.stringify(messages.slice(0, head)));
        assert.deepEqual(sent.slice(head + 1), messages.slice(covered));
        assert.ok(JSON.stringify(sent).includes('the prompt'));
        assert.deepEqual(compacted([...messages, userMessage('x')], compaction, isPinned), [
          ...sent,
          userMessage('x'),
        ]);
      }),
    );
  });

  it('keeps no more than it should, unless what is pending or the last exchange is longer', () => {
    fc.assert(
      fc.property(conversation, limits, ({ messages }, { keepTokens, mostTokens }) => {
        const covered = findCut(messages, { from: 1, tokensOf, keepTokens, mostTokens });
        if (covered === undefined) return;
        const kept = size(messages.slice(covered));
        const last = cutsOf(messages)
          .filter((cut) => cut > 1)
          .at(-1);
        assert.ok(kept <= keepTokens || kept <= mostTokens || covered === last);
        const earlier = cutsOf(messages).filter((cut) => cut > 1 && cut < covered);
        for (const cut of earlier) assert.ok(size(messages.slice(cut)) > keepTokens);
      }),
    );
  });

  it('does not hold for a conversation of others at the same place', () => {
    const ours = [userMessage('a'), userMessage('b'), userMessage('c')];
    const compaction = { covered: 2, boundary: boundaryOf(userMessage('b')), summary: 's' };
    assert.ok(applies(compaction, ours));
    assert.ok(!applies(compaction, [userMessage('a'), userMessage('x'), userMessage('c')]));
    assert.ok(!applies(compaction, ours.slice(0, 1)));
  });
});

describe('counting tokens', () => {
  it('counts as the encoding does, and never more than the bound that needs no tokenizer', async () => {
    const count = await loadTokenizer();
    assert.equal(count('Hello, world!'), 4);
    assert.equal(count('<|endoftext|>') > 1, true);
    fc.assert(
      fc.property(fc.array(fc.nat(0xd7ff), { maxLength: 200 }), (codes) => {
        const text = String.fromCodePoint(...codes);
        const message = userMessage(text);
        assert.ok(countTokens(message, count) <= mostTokens(message));
      }),
      { numRuns: 30 },
    );
  });

  it('of a text without a break takes no longer than of words', async () => {
    assert.ok((await countAll([userMessage('a'.repeat(1_000_000))])) > 100_000);
    const exact = (await loadTokenizer())('some words '.repeat(1_000));
    const sampled = (await loadTokenizer())('some words '.repeat(100_000));
    assert.ok(Math.abs(sampled / exact / 100 - 1) < 0.05);
  });

  it('tells a conversation of any size within a bound', async () => {
    const messages = Array.from({ length: 20 }, (_, n) => userMessage(`${n} ${'word '.repeat(4_000)}`));
    for (const most of [5_000, 100]) {
      assert.ok((await countAll([await transcriptOf(messages, most)])) <= most);
    }
  });
});
