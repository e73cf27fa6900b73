/** An agent that is evaluated over `cases.jsonl`; rules stand in for a model, so that the result is always the same. */
import { calculator, defineAgent } from '@opspawn/agentkit';
import { callTool, promptOf, scriptedModel } from '@opspawn/agentkit/testing';
import { defineConfig } from '@opspawn/ops-core';

const model = scriptedModel({
  name: 'reckoner',
  reply(request) {
    const last = request.messages.at(-1);
    if (last?.role === 'tool') return `It is ${last.content[0]?.output}.`;
    const [expression] = /[\d.+\-*/() ]{3,}/.exec(promptOf(request)) ?? [];
    return expression === undefined
      ? 'I only reckon.'
      : callTool('calculator', { expression: expression.trim() });
  },
});

export default defineConfig({
  agents: [
    defineAgent({ name: 'reckoner', instructions: 'Reckon with the tool.', model, tools: { calculator } }),
  ],
});
