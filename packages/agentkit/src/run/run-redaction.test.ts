import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { agentWith } from '../../test/tester.ts';
import type { AssistantMessage } from '../message.ts';
import type { Model } from '../model/model.ts';
import { secretsFrom } from '../security/secrets.ts';
import { createSecurityManager } from '../security/security-rules.ts';
import { collectEvents, memoryEnvironment } from '../testing.ts';
import { runAgent } from './run-agent.ts';

const pieces = [
  { type: 'text', text: 'The token is tok-1' },
  { type: 'reasoning', text: 'May I say hunter2-' },
  { type: 'text', text: '23456, and tok-12' },
  { type: 'reasoning', text: 'hunter2?' },
  { type: 'text', text: ' is none.' },
] satisfies AssistantMessage['content'];

const speaker: Model = {
  id: 'test/pieces',
  call: async ({ onDelta }) => {
    for (const { type: kind, text } of pieces) onDelta?.({ kind, text });
    const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1, reasoningTokens: 0 };
    return { message: { role: 'assistant', content: pieces }, usage, model: 'pieces', finishReason: 'stop' };
  },
};

describe('a secret that a model says in parts', () => {
  it('is found in what is streamed, recorded and given, also where it thinks in between', async () => {
    const security = createSecurityManager({
      secrets: secretsFrom({ token: 'tok-123456', word: 'hunter2-hunter2' }),
    });
    const { events, onEvent } = collectEvents();
    const environment = memoryEnvironment({ security, onEvent });
    const { output } = await runAgent(agentWith([], { model: speaker }), { prompt: 'x' }, environment);
    assert.equal(output, 'The token is [redacted], and tok-12 is none.');
    const said = (type: 'text.delta' | 'reasoning.delta'): string =>
      events.map((event) => (event.type === type ? event.text : '')).join('');
    assert.equal(said('text.delta'), output);
    assert.equal(said('reasoning.delta'), 'May I say [redacted]?');
    const [step] = environment.steps.history();
    assert.ok(step?.outcome.ok);
    assert.deepEqual((step.outcome.value as { message: AssistantMessage }).message.content, [
      { type: 'text', text: output },
      { type: 'reasoning', text: 'May I say [redacted]?' },
    ]);
  });

  it('is held back no longer than its beginning may be one, and is dropped with the answer that it was of', async () => {
    const security = createSecurityManager({ secrets: secretsFrom({ token: 'tok-123456' }) });
    const said: string[] = [];
    const turncoat: Model = {
      id: 'test/turncoat',
      call: async (request) => {
        request.onDelta?.({ kind: 'text', text: 'A tok-12' });
        request.onDelta?.({ kind: 'reasoning', text: 'B tok-12' });
        request.onReset?.('another model answers');
        request.onDelta?.({ kind: 'text', text: '3456 and tok-1' });
        request.onDelta?.({ kind: 'reasoning', text: 'tok-12' });
        return { ...(await speaker.call({ ...request, onDelta: () => {} })) };
      },
    };
    const environment = memoryEnvironment({
      security,
      onEvent: (event) => {
        if (event.type === 'step.reset') said.push('|');
        if (event.type === 'text.delta') said.push(event.text);
        if (event.type === 'reasoning.delta') said.push(`(${event.text})`);
      },
    });
    await runAgent(agentWith([], { model: turncoat }), { prompt: 'x' }, environment);
    const [before, after = ''] = said.join('').split('|');
    assert.equal(before, 'A (B )');
    assert.equal(after.replaceAll(/\(.*?\)/g, ''), '3456 and tok-1');
    assert.equal(after.replaceAll(/[^(]*\((.*?)\)[^(]*/g, '$1'), 'tok-12');
  });

  it('leaves an answer in its parts when none is in it', () => {
    const { redact } = createSecurityManager({ secrets: secretsFrom({ token: 'tok-999999' }) });
    assert.equal(redact(pieces), pieces);
    const one = [{ type: 'text', text: 'It is tok-999999' }, ...pieces];
    assert.deepEqual(redact(one), [{ type: 'text', text: 'It is [redacted]' }, ...pieces]);
  });
});
