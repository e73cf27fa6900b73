import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import { LLMock } from '@copilotkit/aimock';
import { openWireProxy, type WireProxy } from '../../test/wire-proxy.ts';
import type { Json } from '../json.ts';
import { type Message, messageSchema } from '../message.ts';
import type { ModelRegistry, ModelReply, ModelRequest } from './model.ts';
import { createModelRegistry } from './registry.ts';

const mock = new LLMock({ port: 0 });
let proxy: WireProxy;
let registry: ModelRegistry;

before(async () => {
  const thinking = { reasoning: 'Well now.', reasoningSignature: 'signed' };
  mock.on(
    { userMessage: 'think', hasToolResult: false },
    { ...thinking, toolCalls: [{ name: 'look', arguments: '{}', id: 'call_1' }] },
  );
  mock.on({ predicate: () => true }, { content: '{"sum":3}' });
  proxy = await openWireProxy(await mock.start());
  registry = createModelRegistry({
    environment: {
      OPENAI_API_KEY: 'k',
      OPENAI_BASE_URL: `${proxy.url}/v1`,
      ANTHROPIC_API_KEY: 'k',
      ANTHROPIC_BASE_URL: `${proxy.url}/v1`,
      GOOGLE_GENERATIVE_AI_API_KEY: 'k',
      GOOGLE_GENERATIVE_AI_BASE_URL: `${proxy.url}/v1beta`,
      OPENROUTER_API_KEY: 'k',
      OPENROUTER_BASE_URL: `${proxy.url}/api/v1`,
      AGENTKIT_LLM_BASE_URL: `${proxy.url}/v1`,
    },
    prices: {
      'compatible/llama': {
        inputMicroUsd: 1_000_000,
        cachedInputMicroUsd: 100_000,
        outputMicroUsd: 10_000_000,
      },
    },
  });
});

beforeEach(() => {
  proxy.fault = undefined;
  proxy.bodies.length = 0;
});

after(async () => {
  await proxy[Symbol.asyncDispose]();
  await mock.stop();
});

const say = (text: string): Message => ({ role: 'user', content: [{ type: 'text', text }] });
const look = { name: 'look', description: 'Looks', inputSchema: { type: 'object', properties: {} } };

async function ask(spec: string, request: Partial<ModelRequest>): Promise<ModelReply> {
  const model = await registry.resolve(spec);
  return await model.call({
    messages: [say('hello')],
    tools: [],
    signal: new AbortController().signal,
    ...request,
  });
}

/** What went over the wire last. */
const sent = (): string => JSON.stringify(proxy.bodies.at(-1));

/** The second request of a tool loop whose first answer went through the journal. */
async function goOn(spec: string, streaming: boolean): Promise<string> {
  const listening = streaming ? { onDelta: () => {} } : {};
  const first = await ask(spec, { messages: [say('think')], tools: [look], ...listening });
  const recorded = messageSchema.parse(JSON.parse(JSON.stringify(first.message)));
  const result: Message = {
    role: 'tool',
    content: [{ type: 'tool-result', callId: 'call_1', tool: 'look', output: 'seen' }],
  };
  await ask(spec, { messages: [say('think'), recorded, result], tools: [look], ...listening });
  return sent();
}

suite('what a provider wants back comes back', () => {
  for (const streaming of [false, true]) {
    test(`Anthropic gets its thinking with its signature${streaming ? ', streaming' : ''}`, async () => {
      const body = await goOn('anthropic/claude-sonnet-4-6', streaming);
      assert.match(body, /"type":"thinking","thinking":"Well now\.","signature":"signed"/);
    });

    test(`OpenAI gets its encrypted reasoning, and nothing depends on what it stored${streaming ? ', streaming' : ''}`, async () => {
      const body = await goOn('openai/gpt-5.4-mini', streaming);
      assert.match(body, /"type":"reasoning".*"encrypted_content":"/);
      assert.match(body, /"store":false/);
      assert.doesNotMatch(body, /item_reference/);
    });
  }

  test("another provider is not told what was another's", async () => {
    const first = await ask('anthropic/claude-sonnet-4-6', { messages: [say('think')], tools: [look] });
    const result: Message = {
      role: 'tool',
      content: [{ type: 'tool-result', callId: 'call_1', tool: 'look', output: 1 }],
    };
    for (const spec of ['openai/gpt-5.4-mini', 'google/gemini-2.5-flash', 'compatible/llama']) {
      await ask(spec, { messages: [say('think'), first.message, result], tools: [look] });
      assert.doesNotMatch(sent(), /signed/, spec);
    }
  });
});

suite('what is asked for is said', () => {
  const schema: Json = {
    type: 'object',
    properties: { sum: { type: 'number' } },
    required: ['sum'],
    additionalProperties: false,
  };

  test('output schema, temperature and largest answer', async () => {
    const request = { outputSchema: schema, temperature: 0.5, maxOutputTokens: 100 };
    const expected: Record<string, RegExp[]> = {
      'openai/gpt-4.1': [/"type":"json_schema"/, /"temperature":0\.5/, /"max_output_tokens":100/],
      'anthropic/claude-sonnet-4-6': [/"type":"json_schema"/, /"temperature":0\.5/, /"max_tokens":100/],
      'google/gemini-2.5-flash': [/"responseJsonSchema"/, /"temperature":0\.5/, /"maxOutputTokens":100/],
      'openrouter/openai/gpt-4.1': [/"type":"json_schema"/, /"temperature":0\.5/, /"max_tokens":100/],
      'compatible/llama': [/"type":"json_schema"/, /"temperature":0\.5/, /"max_tokens":100/],
    };
    for (const [spec, patterns] of Object.entries(expected)) {
      await ask(spec, request);
      for (const pattern of [...patterns, /"sum"/]) assert.match(sent(), pattern, spec);
    }
  });

  test('which tool to call, or none', async () => {
    const expected: Record<string, RegExp> = {
      'openai/gpt-4.1': /"tool_choice":\{"type":"function","name":"look"\}/,
      'anthropic/claude-sonnet-4-6': /"tool_choice":\{"type":"tool","name":"look"/,
      'google/gemini-2.5-flash': /"mode":"ANY","allowedFunctionNames":\["look"\]/,
      'openrouter/openai/gpt-4.1': /"tool_choice":\{"type":"function","function":\{"name":"look"\}\}/,
      'compatible/llama': /"tool_choice":\{"type":"function","function":\{"name":"look"\}\}/,
    };
    for (const [spec, pattern] of Object.entries(expected)) {
      await ask(spec, { tools: [look], toolChoice: { tool: 'look' } });
      assert.match(sent(), pattern, spec);
      await ask(spec, { tools: [look], toolChoice: 'none' });
      assert.match(sent(), /"none"|"NONE"|^(?!.*"look")/, spec);
    }
  });

  test('reasoning effort', async () => {
    const expected: Record<string, RegExp> = {
      'openai/gpt-5.4-mini': /"effort":"high"/,
      'anthropic/claude-sonnet-4-6': /"thinking":\{"type":"(enabled|adaptive)"/,
      'google/gemini-2.5-flash': /"thinkingConfig"/,
      'openrouter/openai/gpt-5.4-mini': /"effort":"high"/,
      'compatible/llama': /"reasoning_effort":"high"/,
    };
    for (const [spec, pattern] of Object.entries(expected)) {
      await ask(spec, { reasoningEffort: 'high' });
      assert.match(sent(), pattern, spec);
    }
  });

  test('files and images, given as data or by address', async () => {
    const png = 'iVBORw0KGgo=';
    const content: Extract<Message, { role: 'user' }>['content'] = [
      { type: 'text', text: 'See' },
      { type: 'file', mediaType: 'image/png', data: png },
      { type: 'file', mediaType: 'image/png', data: `data:image/png;base64,${png}` },
      { type: 'file', mediaType: 'application/pdf', data: 'JVBERi0=', filename: 'a.pdf' },
    ];
    for (const spec of [
      'openai/gpt-4.1',
      'anthropic/claude-sonnet-4-6',
      'google/gemini-2.5-flash',
      'openrouter/openai/gpt-4.1',
      'compatible/llama',
    ]) {
      await ask(spec, { messages: [{ role: 'user', content }] });
      assert.equal(sent().split(png).length, 3, `${spec}: ${sent()}`);
      assert.match(sent(), /JVBERi0=/, spec);
      const url = 'https://a.example/cat.png';
      await ask(spec, {
        messages: [{ role: 'user', content: [{ type: 'file', mediaType: 'image/png', data: url }] }],
      });
      assert.ok(sent().includes(url), spec);
    }
  });

  test('an answer without content does not stand in the way of the next question', async () => {
    const empty: Message = { role: 'assistant', content: [{ type: 'text', text: '' }] };
    await ask('anthropic/claude-sonnet-4-6', { messages: [say('hello'), empty, say('again')] });
    assert.doesNotMatch(sent(), /"text":""/);
  });

  test('a file that a model cannot take is refused for good', async () => {
    const content = [{ type: 'file' as const, mediaType: 'application/x-thing', data: 'AAAA' }];
    await assert.rejects(ask('anthropic/claude-sonnet-4-6', { messages: [{ role: 'user', content }] }), {
      code: 'model_rejected',
    });
    assert.equal(proxy.bodies.length, 0);
  });
});

suite('usage', () => {
  const usage = {
    prompt_tokens: 1_000,
    completion_tokens: 200,
    prompt_tokens_details: { cached_tokens: 600 },
    completion_tokens_details: { reasoning_tokens: 150 },
  };
  const message = {
    choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi' } }],
  };
  const answer = (body: Json) => ({ status: 200, body: JSON.stringify(body) });

  test('tells cached and reasoning tokens apart, and the cost where the price is known', async () => {
    proxy.fault = answer({ ...message, usage });
    const counted = { inputTokens: 1_000, cachedInputTokens: 600, outputTokens: 200, reasoningTokens: 150 };
    // 400 at $1, 600 at $0.10 and 200 at $10 a million
    assert.deepEqual((await ask('compatible/llama', {})).usage, { ...counted, costMicroUsd: 2_460 });
    assert.deepEqual((await ask('compatible/other', {})).usage, counted);
  });

  test('says no cost for an answer that was not metered', async () => {
    proxy.fault = answer(message);
    assert.deepEqual((await ask('compatible/llama', {})).usage, {
      inputTokens: 0,
      cachedInputTokens: 0,
      outputTokens: 0,
      reasoningTokens: 0,
    });
  });

  test('that is none, as servers do tell it, is made one', async () => {
    const odd = async (figures: Record<string, unknown>) => {
      proxy.fault = answer({ ...message, usage: figures as Json });
      const { inputTokens, cachedInputTokens, outputTokens, reasoningTokens } = (
        await ask('compatible/llama', {})
      ).usage;
      return [inputTokens, cachedInputTokens, outputTokens, reasoningTokens];
    };
    assert.deepEqual(await odd({ prompt_tokens: -5, completion_tokens: 2.4 }), [0, 0, 2, 0]);
    const details = {
      prompt_tokens_details: { cached_tokens: 70 },
      completion_tokens_details: { reasoning_tokens: 30 },
    };
    assert.deepEqual(await odd({ prompt_tokens: 50, completion_tokens: 20, ...details }), [70, 70, 30, 30]);
  });

  test('takes the cost that OpenRouter charged', async () => {
    proxy.fault = answer({
      id: 'x',
      model: 'm',
      provider: 'P',
      ...message,
      usage: { ...usage, total_tokens: 1_200, cost: 0.0123 },
    });
    assert.equal((await ask('openrouter/openai/gpt-5.4-mini', {})).usage.costMicroUsd, 12_300);
  });
});

test('arguments that JSON cannot keep are handed on as they were written', async () => {
  for (const written of ['{"a":1e999}', `${'{"a":'.repeat(600)}1${'}'.repeat(600)}`, '{"a":']) {
    const call = { id: 'c', type: 'function', function: { name: 'add', arguments: written } };
    const choice = {
      index: 0,
      finish_reason: 'tool_calls',
      message: { role: 'assistant', tool_calls: [call] },
    };
    proxy.fault = { status: 200, body: JSON.stringify({ choices: [choice] }) };
    const [part] = (await ask('compatible/llama', {})).message.content;
    assert.ok(part?.type === 'tool-call' && part.input === written);
  }
});

test('a message is measured once and converted once, however often it is sent', async () => {
  const model = await registry.resolve('compatible/llama');
  let reads = 0;
  const watched = new Proxy(say('hello'), {
    get: (target, key, receiver) => {
      if (key === 'content') reads += 1;
      return Reflect.get(target, key, receiver) as unknown;
    },
  });
  for (let turn = 0; turn < 3; turn += 1) {
    await model.call({ messages: [watched], tools: [], signal: new AbortController().signal });
  }
  assert.equal(reads, 2);
});
