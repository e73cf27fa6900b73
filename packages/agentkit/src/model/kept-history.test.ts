import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LanguageModelV4Message } from '@ai-sdk/provider';
import { KeptHistory } from './kept-history.ts';

const say = (text: string): LanguageModelV4Message => ({ role: 'user', content: [{ type: 'text', text }] });

function keeping() {
  const made: LanguageModelV4Message[] = [];
  const history = new KeptHistory(async (message) => {
    made.push(message);
    return JSON.stringify(message);
  });
  return { made, bytesOf: (prompt: LanguageModelV4Message[]) => history.bytesOf(prompt) };
}

const textOf = (prompt: LanguageModelV4Message[]): string => JSON.stringify(prompt).slice(1, -1);

describe('a kept history', () => {
  it('puts what is new behind what is there, and copies that ever more seldom', async () => {
    const { bytesOf } = keeping();
    const prompt: LanguageModelV4Message[] = [];
    const given: [Uint8Array, string][] = [];
    for (let turn = 1; turn <= 200; turn += 1) {
      prompt.push(say(`Käse ☃ ${turn}`));
      given.push([await bytesOf([...prompt]), textOf(prompt)]);
    }
    // what was given for a request may still be on its way
    for (const [bytes, text] of given) assert.equal(Buffer.from(bytes).toString(), text);
    assert.ok(new Set(given.map(([{ buffer }]) => buffer)).size < 12);
  });

  it('makes a message JSON once, in whatever conversations it stands', async () => {
    const { made, bytesOf } = keeping();
    const [a, b, c] = [say('a'), say('b'), say('c')] as const;
    for (const prompt of [[a, b], [a, c], [c, a, b], [b], [a, b, a, b], [a, b], [a, b, a, b, c]])
      assert.equal(Buffer.from(await bytesOf(prompt)).toString(), textOf(prompt));
    assert.deepEqual(made, [a, b, c]);
  });
});
