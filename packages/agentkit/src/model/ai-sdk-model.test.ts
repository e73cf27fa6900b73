import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { LLMock } from '@copilotkit/aimock';
import { type Fault, openWireProxy, type WireProxy } from '../../test/wire-proxy.ts';
import { OpspawnError } from '../errors.ts';
import type { Message } from '../message.ts';
import { aiSdkModel } from './ai-sdk-model.ts';
import { memoryProviderBudget } from './budget/memory-provider-budget.ts';
import type { Model, ModelReply, ModelRequest } from './model.ts';
import { createModelRegistry } from './registry.ts';

const mock = new LLMock({ port: 0 });
let proxy: WireProxy;
let models: ReadonlyMap<string, Model>;

const specs = [
  'openai/gpt-5.4-mini',
  'openai-chat/gpt-5.4-mini',
  'anthropic/claude-sonnet-4-6',
  'google/gemini-2.5-flash',
  'openrouter/openai/gpt-5.4-mini',
  'compatible/llama',
];

before(async () => {
  mock.on({ userMessage: 'hello' }, { content: 'Hello, you. How are you today?' });
  mock.on(
    { userMessage: 'one and two', hasToolResult: false },
    { toolCalls: [{ name: 'add', arguments: '{"a":1,"b":2}', id: 'call_1' }] },
  );
  mock.on({ userMessage: 'one and two', hasToolResult: true }, { content: 'It is 3.' });
  mock.on(
    { userMessage: 'broken', hasToolResult: false },
    { toolCalls: [{ name: 'add', arguments: '{"a":1,', id: 'call_1' }] },
  );
  mock.on({ userMessage: 'broken', hasToolResult: true }, { content: 'I see.' });
  mock.on({ userMessage: 'think' }, { content: 'So.', reasoning: 'Well now.', reasoningSignature: 'signed' });
  proxy = await openWireProxy(await mock.start());
  models = await openModels();
});

/** With budgets of their own: in those of the process a call waits until a refused key may be used again. */
async function openModels(): Promise<ReadonlyMap<string, Model>> {
  const environment = {
    OPENAI_API_KEY: 'k',
    OPENAI_BASE_URL: `${proxy.url}/v1`,
    ANTHROPIC_API_KEY: 'k',
    ANTHROPIC_BASE_URL: `${proxy.url}/v1`,
    GOOGLE_GENERATIVE_AI_API_KEY: 'k',
    GOOGLE_GENERATIVE_AI_BASE_URL: `${proxy.url}/v1beta`,
    OPENROUTER_API_KEY: 'k',
    OPENROUTER_BASE_URL: `${proxy.url}/api/v1`,
    AGENTKIT_LLM_BASE_URL: `${proxy.url}/v1`,
  };
  const chat = createOpenAI({ apiKey: 'k', baseURL: environment.OPENAI_BASE_URL });
  const providers = { 'openai-chat': (name: string) => aiSdkModel(`openai-chat/${name}`, chat.chat(name)) };
  const registry = createModelRegistry({ environment, providers, budget: memoryProviderBudget() });
  const opened = specs.map(async (spec) => [spec, await registry.resolve(spec)] as const);
  return new Map(await Promise.all(opened));
}

beforeEach(() => {
  proxy.fault = undefined;
  proxy.bodies.length = 0;
});

after(async () => {
  await proxy[Symbol.asyncDispose]();
  await mock.stop();
});

const say = (text: string): Message => ({ role: 'user', content: [{ type: 'text', text }] });
const adder = {
  name: 'add',
  description: 'Adds',
  inputSchema: { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } } },
};

function ask(
  spec: string,
  request: Partial<ModelRequest> & Pick<ModelRequest, 'messages'>,
): Promise<ModelReply> {
  const model = models.get(spec);
  assert.ok(model);
  return model.call({ tools: [], signal: new AbortController().signal, ...request });
}

const textOf = ({ message }: ModelReply): string =>
  message.content.map((part) => (part.type === 'text' ? part.text : '')).join('');
const callOf = ({ message }: ModelReply) => message.content.find((part) => part.type === 'tool-call');
const ignore = () => {};

for (const spec of specs) {
  suite(spec, () => {
    test('answers', async () => {
      const system: Message = { role: 'system', content: 'Be kind.' };
      const reply = await ask(spec, { messages: [system, say('hello')] });
      assert.equal(textOf(reply), 'Hello, you. How are you today?');
      assert.deepEqual([reply.finishReason, reply.model], ['stop', spec]);
      assert.match(JSON.stringify(proxy.bodies.at(-1)), /Be kind\./);
      assert.notEqual(proxy.bodies.at(-1)?.stream, true);
    });

    test('streams when somebody listens, to the same answer', async () => {
      const pieces: string[] = [];
      const reply = await ask(spec, {
        messages: [say('hello')],
        onDelta: ({ kind, text }) => void (kind === 'text' && pieces.push(text)),
      });
      assert.equal(textOf(reply), 'Hello, you. How are you today?');
      assert.ok(pieces.length > 1, `${pieces.length} pieces`);
      assert.equal(pieces.join(''), textOf(reply));
    });

    for (const onDelta of [undefined, ignore]) {
      const how = onDelta === undefined ? 'at once' : 'streaming';
      const listening = onDelta && { onDelta };

      test(`calls a tool and goes on with its result, ${how}`, async () => {
        const messages = [say('one and two')];
        const first = await ask(spec, { messages, tools: [adder], ...listening });
        const call = callOf(first);
        assert.ok(call);
        assert.deepEqual([call.tool, call.input], ['add', { a: 1, b: 2 }]);
        const { callId, tool } = call;
        const result: Message = {
          role: 'tool',
          content: [{ type: 'tool-result', callId, tool, output: { sum: 3 } }],
        };
        const second = await ask(spec, {
          messages: [...messages, first.message, result],
          tools: [adder],
          ...listening,
        });
        assert.equal(textOf(second), 'It is 3.');
        assert.equal(callOf(second), undefined);
        assert.match(JSON.stringify(proxy.bodies.at(-1)), /sum/);
      });

      test(`hands on arguments that are no JSON, and can tell the model about them, ${how}`, async () => {
        const messages = [say('broken')];
        const first = await ask(spec, { messages, tools: [adder], ...listening });
        const call = callOf(first);
        assert.ok(call);
        // Anthropic and Gemini send objects over the wire: only the mock could break them, and does not.
        if (!/anthropic|google/.test(spec)) assert.equal(call.input, '{"a":1,');
        const { callId, tool } = call;
        const refusal: Message = {
          role: 'tool',
          content: [{ type: 'tool-result', callId, tool, output: 'No JSON', isError: true }],
        };
        const second = await ask(spec, {
          messages: [...messages, first.message, refusal],
          tools: [adder],
          ...listening,
        });
        assert.equal(textOf(second), 'I see.');
      });

      const faults: [string, Fault, string, number?][] = [
        [
          '429 with seconds',
          { status: 429, headers: { 'retry-after': '7' }, body: '{"error":{"message":"slow"}}' },
          'model_failed',
          7_000,
        ],
        [
          '429 with milliseconds',
          { status: 429, headers: { 'retry-after': '7', 'retry-after-ms': '1500' }, body: '' },
          'model_failed',
          1_500,
        ],
        ['500', { status: 500, body: '{"error":{"message":"oops"}}' }, 'model_failed'],
        ['529 that is no JSON', { status: 529, body: '<html>busy</html>' }, 'model_failed'],
        ['408', { status: 408, body: '{}' }, 'model_failed'],
        ['400', { status: 400, body: '{"error":{"message":"bad"}}' }, 'model_rejected'],
        ['401', { status: 401, body: '' }, 'model_rejected'],
        ['404', { status: 404, body: 'nothing here' }, 'model_rejected'],
        ['a malformed 200', { status: 200, body: '{"id": "x", "choices": [{' }, 'model_failed'],
        ['a 200 of another shape', { status: 200, body: '{"hello":"world"}' }, 'model_failed'],
        ['an empty 200', { status: 200, body: '' }, 'model_failed'],
        ['an answer that is cut', { keep: 0.6 }, 'model_failed'],
        ['an answer of which nothing comes', { keep: 0 }, 'model_failed'],
        ['a closed connection', 'reset', 'model_failed'],
      ];
      test(`says what it means when the provider fails, ${how}`, async () => {
        for (const [name, fault, code, retryAfterMs] of faults) {
          proxy.fault = fault;
          const model = (await openModels()).get(spec);
          assert.ok(model);
          const request = { messages: [say('hello')], tools: [], signal: new AbortController().signal };
          await assert.rejects(model.call({ ...request, ...listening }), (thrown) => {
            assert.ok(thrown instanceof OpspawnError, `${name}: ${String(thrown)}`);
            assert.deepEqual(
              [thrown.code, thrown.retryAfterMs],
              [code, retryAfterMs],
              `${name}: ${thrown.message}`,
            );
            assert.ok(thrown.message.includes(spec), thrown.message);
            return true;
          });
          assert.equal(proxy.bodies.length, 1, `${name}: one attempt`);
          proxy.bodies.length = 0;
        }
      });

      test(`never takes the beginning of an answer for the whole, ${how}`, async () => {
        for (const keep of [0.1, 0.3, 0.5, 0.7, 0.9, 0.97]) {
          proxy.fault = { keep };
          for (const text of ['hello', 'one and two']) {
            const reply = await ask(spec, { messages: [say(text)], tools: [adder], ...listening }).catch(
              (thrown: unknown) => thrown,
            );
            if (reply instanceof OpspawnError) assert.equal(reply.code, 'model_failed', reply.message);
            else if (text === 'hello')
              assert.equal(textOf(reply as ModelReply), 'Hello, you. How are you today?', `${keep}`);
            else assert.deepEqual(callOf(reply as ModelReply)?.input, { a: 1, b: 2 }, `${keep}`);
          }
        }
      });

      test(`ends when its call is aborted or out of time, ${how}`, async () => {
        proxy.fault = 'hang';
        const request = { messages: [say('hello')], ...listening };
        await assert.rejects(ask(spec, { ...request, signal: AbortSignal.timeout(20) }), {
          code: 'model_failed',
          retryable: true,
        });
        const controller = new AbortController();
        const reason = new OpspawnError('cancelled', 'enough');
        const asked = ask(spec, { ...request, signal: controller.signal });
        setImmediate(() => controller.abort(reason));
        await assert.rejects(asked, (thrown) => thrown === reason);
      });
    }
  });
}

suite('an error in the middle of a stream', () => {
  const anthropic = (type: string): string =>
    [
      {
        type: 'message_start',
        message: {
          id: 'm',
          model: 'c',
          role: 'assistant',
          content: [],
          usage: { input_tokens: 1, output_tokens: 1 },
        },
      },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hel' } },
      { type: 'error', error: { type, message: 'no more' } },
    ]
      .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
      .join('');
  const chat = (type: string): string =>
    [
      { id: 'x', choices: [{ index: 0, delta: { role: 'assistant', content: 'Hel' } }] },
      { error: { message: 'no more', type, param: null, code: null } },
    ]
      .map((event) => `data: ${JSON.stringify(event)}\n\n`)
      .join('');

  const cases: [string, (type: string) => string, string, string][] = [
    ['anthropic/claude-sonnet-4-6', anthropic, 'overloaded_error', 'model_failed'],
    ['anthropic/claude-sonnet-4-6', anthropic, 'invalid_request_error', 'model_rejected'],
    ['openai-chat/gpt-5.4-mini', chat, 'server_error', 'model_failed'],
    ['openrouter/openai/gpt-5.4-mini', chat, 'server_error', 'model_failed'],
    ['compatible/llama', chat, 'server_error', 'model_failed'],
    ['compatible/llama', chat, 'invalid_request_error', 'model_rejected'],
  ];
  for (const [spec, stream, type, code] of cases) {
    test(`${type} of ${spec} is ${code}, after the pieces that came before it`, async () => {
      proxy.fault = { status: 200, headers: { 'content-type': 'text/event-stream' }, body: stream(type) };
      const pieces: string[] = [];
      const asked = ask(spec, { messages: [say('hello')], onDelta: ({ text }) => void pieces.push(text) });
      await assert.rejects(asked, { code, message: /no more/ });
      assert.deepEqual(pieces, ['Hel']);
    });
  }
});
