// The AI SDK's own agent, as its documentation uses it. It records nothing. JavaScript, because its package is there
// only once a benchmark has installed it, and types are checked without.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { isStepCount, ToolLoopAgent, tool } from 'ai';
import { z } from 'zod';
import { instructions, prompt, toolDescription, weatherAt } from './agent-loop.ts';

/** @type {import('./agent-loop.ts').OpenAgentLoop} */
export const aiSdk = async ({ modelUrl }) => {
  const provider = createOpenAICompatible({ name: 'compatible', baseURL: modelUrl });
  const weather = tool({
    description: toolDescription,
    inputSchema: z.object({ station: z.number() }),
    execute: ({ station }) => weatherAt(station),
  });
  const agents = new Map();
  const agentOf = (steps) => {
    const stopWhen = isStepCount(steps);
    const model = provider.chatModel(`steps-${steps}`);
    const agent =
      agents.get(steps) ?? new ToolLoopAgent({ model, instructions, tools: { weather }, stopWhen });
    agents.set(steps, agent);
    return agent;
  };
  return {
    run: async (steps) => (await agentOf(steps).generate({ prompt })).text,
    async [Symbol.asyncDispose]() {},
  };
};
