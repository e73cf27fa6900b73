import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createOpenAICompatible, type OpenAICompatibleChatLanguageModel } from '@ai-sdk/openai-compatible';
import type { LanguageModelV4CallOptions, LanguageModelV4Prompt } from '@ai-sdk/provider';
import { incrementalChat } from './incremental-chat.ts';

const look = {
  type: 'function',
  name: 'look',
  inputSchema: { type: 'object', properties: { at: { type: 'string' } } },
} as const;

/** Reads as what stands for the messages, where it is no such thing. */
const tricky = '"messages":[{"role":"system","content":"history 1"}] $& "\\u2028"';

const prompt: LanguageModelV4Prompt = [
  { role: 'system', content: tricky },
  {
    role: 'user',
    content: [
      { type: 'text', text: `What is this? ${tricky}` },
      { type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'iVBORw0KGgo=' } },
    ],
  },
  {
    role: 'assistant',
    content: [
      { type: 'reasoning', text: 'Well now.' },
      { type: 'text', text: 'I look.' },
      { type: 'tool-call', toolCallId: 'call_1', toolName: 'look', input: { at: tricky } },
      { type: 'tool-call', toolCallId: 'call_2', toolName: 'look', input: {} },
    ],
  },
  {
    role: 'tool',
    content: [
      {
        type: 'tool-result',
        toolCallId: 'call_1',
        toolName: 'look',
        output: { type: 'json', value: { saw: ['Käse', null, 1.5] } },
      },
      {
        type: 'tool-result',
        toolCallId: 'call_2',
        toolName: 'look',
        output: { type: 'error-text', value: tricky },
      },
    ],
  },
  { role: 'tool', content: [] },
  { role: 'user', content: [{ type: 'text', text: 'And now?' }] },
];

/** The package's own model and one that keeps texts, with what each sent and how many messages the latter converted. */
function openBoth() {
  const bodies: string[] = [];
  const converted: number[] = [];
  const answer = JSON.stringify({ choices: [{ message: { content: 'A cheese.' }, finish_reason: 'stop' }] });
  const sending: typeof fetch = async (_url, init) => {
    bodies.push(String(init?.body));
    const isStream = bodies.at(-1)?.includes('"stream":true');
    const type = isStream ? 'text/event-stream' : 'application/json';
    return new Response(isStream ? 'data: [DONE]\n\n' : answer, { headers: { 'content-type': type } });
  };
  const open = (fetch: typeof globalThis.fetch) =>
    createOpenAICompatible({
      name: 'compatible',
      baseURL: 'http://model.invalid/v1',
      includeUsage: true,
      supportsStructuredOutputs: true,
      fetch,
    }).chatModel(`a "model" of $1`) as OpenAICompatibleChatLanguageModel;
  const chat = incrementalChat((fetch) => {
    const own = open(fetch);
    const prepareRequest = own.prepareRequest.bind(own);
    own.prepareRequest = (options) => {
      converted.push(options.prompt.length);
      return prepareRequest(options);
    };
    return own;
  }, sending);
  return { bodies, converted, chat, own: open(sending) };
}

suite('a chat that keeps texts', () => {
  const options: LanguageModelV4CallOptions = {
    prompt,
    tools: [look],
    toolChoice: { type: 'auto' },
    temperature: 0.5,
    providerOptions: { compatible: { user: tricky, seed_of: { messages: [] } } },
  };

  test('sends what the package sends, byte for byte', async () => {
    const { bodies, chat, own } = openBoth();
    for (const prompt of [[], ...options.prompt.map((_, index) => options.prompt.slice(0, index + 1))]) {
      await own.doGenerate({ ...options, prompt });
      await chat.doGenerate({ ...options, prompt });
      await own.doStream({ ...options, prompt });
      await chat.doStream({ ...options, prompt });
      const [ownBody, body, ownStreamed, streamed] = bodies.splice(0);
      assert.equal(body, ownBody);
      assert.equal(streamed, ownStreamed);
    }
  });

  test('converts a message once, whatever follows it', async () => {
    const { converted, chat } = openBoth();
    await chat.doGenerate({ ...options, prompt: prompt.slice(0, 4) });
    await chat.doGenerate(options);
    await chat.doStream(options);
    assert.deepEqual(converted, Array(prompt.length).fill(1));
  });

  test('sends of each conversation its own, where several begin alike, go back or say a message twice', async () => {
    const { bodies, chat, own } = openBoth();
    const [system, user, calls, results, empty, last] = prompt as [...LanguageModelV4Prompt];
    const other: LanguageModelV4Prompt[number] = {
      role: 'user',
      content: [{ type: 'text', text: 'Käse? '.repeat(500) }],
    };
    const begun = [system, user, calls, results];
    const conversations = [
      begun,
      [...begun, last],
      [...begun, other, last],
      [...begun, last, other],
      begun,
      [system, user],
      [other, other],
      [other, other, other],
      [user, calls, results],
      [...begun, empty],
      [...begun, empty, last],
    ] as LanguageModelV4Prompt[];
    for (const order of [conversations, conversations.toReversed()]) {
      await Promise.all(order.map((prompt) => chat.doGenerate({ prompt })));
      const sent = bodies.splice(0);
      await Promise.all(order.map((prompt) => own.doGenerate({ prompt })));
      const expected = bodies.splice(0);
      assert.deepEqual(sent.toSorted(), expected.toSorted());
      for (const prompt of order) {
        await own.doGenerate({ prompt });
        await chat.doGenerate({ prompt });
        const [ownBody, body] = bodies.splice(0);
        assert.equal(body, ownBody);
      }
    }
  });

  test('keeps calls apart that are made at once', async () => {
    const { bodies, chat } = openBoth();
    const texts = Array.from({ length: 20 }, (_, index) => `question ${index}`);
    await Promise.all(
      texts.map((text) => chat.doGenerate({ prompt: [{ role: 'user', content: [{ type: 'text', text }] }] })),
    );
    const sent = bodies.map((body) => (JSON.parse(body) as { messages: { content: string }[] }).messages);
    assert.deepEqual(new Set(sent.map((messages) => messages[0]?.content)), new Set(texts));
  });
});
