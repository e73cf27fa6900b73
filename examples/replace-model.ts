// A model of your own: anything that can answer a request. This one echoes. Runs without a key.
import { defineAgent, type Model, textOf } from '@opspawn/agentkit';

const echo: Model = {
  id: 'own/echo',
  price: { inputMicroUsd: 0, outputMicroUsd: 0 },
  async call({ messages, onDelta, signal }) {
    signal.throwIfAborted();
    const last = messages.at(-1);
    const text = last?.role === 'user' ? textOf(last).toUpperCase() : '';
    onDelta?.({ kind: 'text', text });
    return {
      message: { role: 'assistant', content: [{ type: 'text', text }] },
      usage: { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1, reasoningTokens: 0, costMicroUsd: 0 },
      finishReason: 'stop',
      model: echo.id,
    };
  },
};

const { output } = await defineAgent({ name: 'echo', instructions: 'Echo.', model: echo }).run('Hello there');
console.log(output);
