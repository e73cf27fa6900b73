import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Message } from '../../message.ts';
import {
  callTool,
  callTools,
  countScriptedTokens,
  say,
  scriptedModel,
  scriptedProvider,
} from '../../testing.ts';
import type { ModelRequest } from '../model.ts';

const user = (text: string): Message => ({ role: 'user', content: [{ type: 'text', text }] });
const asked = (messages: readonly Message[], more: Partial<ModelRequest> = {}): ModelRequest => ({
  ...{ messages, tools: [], signal: new AbortController().signal },
  ...more,
});

describe('a scripted model', () => {
  it('takes the step that the conversation has come to, whoever asked before', async () => {
    const model = scriptedModel({ name: 'x', steps: ['first', callTool('add', { a: 1 }), say('third')] });
    const first = await model.call(asked([user('go')]));
    assert.deepEqual(first.message.content, [{ type: 'text', text: 'first' }]);
    const second = await model.call(asked([user('go'), first.message]));
    assert.deepEqual(second.message.content, [
      { type: 'tool-call', callId: 'call_1', tool: 'add', input: { a: 1 } },
    ]);
    const third = await model.call(asked([user('go'), first.message, second.message]));
    assert.deepEqual([third.finishReason, third.model, third.usage.costMicroUsd], ['stop', 'scripted/x', 0]);
    assert.deepEqual(await model.call(asked([user('go')])), first);
    await assert.rejects(model.call(asked([first, first, first].map(({ message }) => message))), {
      code: 'model_rejected',
      message: /all of them are done/,
    });
  });

  it('numbers its calls over the conversation', async () => {
    const model = scriptedModel({
      name: 'x',
      reply: callTools(
        { tool: 'a', input: 1 },
        { tool: 'b', input: 2 },
        { tool: 'c', input: 3, callId: 'own' },
      ),
    });
    const { message } = await model.call(asked([user('go')]));
    const next = await model.call(asked([user('go'), message]));
    const ids = next.message.content.map((part) => part.type === 'tool-call' && part.callId);
    assert.deepEqual(ids, ['call_4', 'call_5', 'own']);
  });

  it('streams word by word, and what is streamed is what is said', async () => {
    const deltas: string[] = [];
    const model = scriptedModel({ name: 'x', reply: { reasoning: 'hm so', say: ' one  two\nthree ' } });
    const onDelta: ModelRequest['onDelta'] = ({ kind, text }) => deltas.push(`${kind[0]}:${text}`);
    await model.call(asked([user('go')], { onDelta }));
    assert.deepEqual(deltas, ['r:hm ', 'r:so', 't: ', 't:one  ', 't:two\n', 't:three ']);
  });

  it('counts a token per four characters, rounded up for each message', async () => {
    assert.equal(countScriptedTokens(user('12345')), 2);
    assert.equal(countScriptedTokens({ role: 'system', content: '1234' }), 1);
    const model = scriptedModel({ name: 'x', reply: { reasoning: '1234', say: '12345678' } });
    const { usage } = await model.call(asked([{ role: 'system', content: '1234' }, user('12345')]));
    assert.deepEqual(usage, {
      ...{ inputTokens: 3, cachedInputTokens: 0, outputTokens: 3, reasoningTokens: 1, costMicroUsd: 0 },
    });
  });

  it('does not answer when it was aborted', async () => {
    const model = scriptedModel({ name: 'x', reply: 'never' });
    await assert.rejects(model.call(asked([], { signal: AbortSignal.abort() })), { name: 'AbortError' });
  });
});

describe('the provider scripted', () => {
  it('knows the given models and first-tool, and lists them when asked for another', async () => {
    const model = scriptedModel({ name: 'mine', reply: 'x' });
    const provider = scriptedProvider(model);
    assert.equal(await provider('mine'), model);
    assert.equal((await provider('first-tool')).id, 'scripted/first-tool');
    assert.throws(() => provider('other'), /scripted\/first-tool, scripted\/mine/);
  });

  it('has first-tool, which calls the first tool with the numbers of the prompt and says the result', async () => {
    const model = await scriptedProvider()('first-tool');
    const properties = { b: { type: 'number' }, a: { type: 'integer' }, why: { type: 'string' } };
    const tools = [{ name: 'add', description: '', inputSchema: { type: 'object', properties } }];
    const prompt = user('How much is 17 and -2.5?');
    const { message } = await model.call(asked([prompt], { tools }));
    const input = { b: 17, a: -2.5, why: 'How much is 17 and -2.5?' };
    assert.deepEqual(message.content, [{ type: 'tool-call', callId: 'call_1', tool: 'add', input }]);
    const result: Message = {
      role: 'tool',
      content: [{ type: 'tool-result', callId: 'call_1', tool: 'add', output: 14.5 }],
    };
    const { message: answer } = await model.call(asked([prompt, message, result], { tools }));
    assert.deepEqual(answer.content, [{ type: 'text', text: '14.5' }]);
    assert.deepEqual((await model.call(asked([prompt]))).message.content, prompt.content);
  });
});
