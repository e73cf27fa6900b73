import {
  type Agent,
  createModelRegistry,
  defineAgent,
  defineTool,
  type Model,
  type ModelRegistry,
  type ToolAnnotations,
} from '@opspawn/agentkit';
import { z } from 'zod';
import {
  type AgentLoop,
  instructions,
  lastAnswer,
  type OpenAgentLoop,
  prompt,
  toolDescription,
  weatherAt,
} from './agent-loop.ts';

/** The agent of W3 for runs of so many steps. */
export function weatherAgent(steps: number, annotations: ToolAnnotations): Agent<string> {
  const weather = defineTool({
    description: toolDescription,
    input: z.object({ station: z.number() }),
    annotations,
    execute: ({ station }) => weatherAt(station),
  });
  return defineAgent({
    name: `steps-${steps}`,
    instructions,
    model: `compatible/steps-${steps}`,
    tools: { weather },
    limits: { turns: steps },
  });
}

/** agentkit alone: nothing is kept. */
export const agentkit: OpenAgentLoop = async ({ modelUrl }) =>
  runWith(createModelRegistry({ environment: { AGENTKIT_LLM_BASE_URL: modelUrl } }));

/** The same without requests, which grow with the history: what the loop itself costs. */
export const agentkitInProcess: OpenAgentLoop = async () =>
  runWith(createModelRegistry({ providers: { compatible: stationsModel } }));

/** Answers as the model server does. */
function stationsModel(name: string): Model {
  const steps = Number(name.replace('steps-', ''));
  return {
    id: `compatible/${name}`,
    async call({ messages }) {
      const station = messages.filter(({ role }) => role === 'tool').length + 1;
      const isLast = station >= steps;
      const call = {
        type: 'tool-call',
        callId: `call_${station}`,
        tool: 'weather',
        input: { station },
      } as const;
      return {
        message: {
          role: 'assistant',
          content: [isLast ? { type: 'text', text: lastAnswer(steps) } : call],
        },
        usage: {
          inputTokens: 400,
          cachedInputTokens: 0,
          outputTokens: 20,
          reasoningTokens: 0,
          costMicroUsd: 0,
        },
        finishReason: isLast ? 'stop' : 'tool-calls',
        model: `compatible/${name}`,
      };
    },
  };
}

function runWith(models: ModelRegistry): AgentLoop {
  const agents = new Map<number, Agent<string>>();
  return {
    async run(steps) {
      const agent = agents.get(steps) ?? weatherAgent(steps, { readOnlyHint: true });
      agents.set(steps, agent);
      return (await agent.run(prompt, { models })).output;
    },
    async [Symbol.asyncDispose]() {},
  };
}
