import {
  type Agent,
  createModelRegistry,
  defineAgent,
  defineTool,
  type ToolAnnotations,
} from '@opspawn/agentkit';
import { z } from 'zod';
import { instructions, type OpenAgentLoop, prompt, toolDescription, weatherAt } from './agent-loop.ts';

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
export const agentkit: OpenAgentLoop = async ({ modelUrl }) => {
  const models = createModelRegistry({ environment: { AGENTKIT_LLM_BASE_URL: modelUrl } });
  const agents = new Map<number, Agent<string>>();
  return {
    async run(steps) {
      const agent = agents.get(steps) ?? weatherAgent(steps, { readOnlyHint: true });
      agents.set(steps, agent);
      return (await agent.run(prompt, { models })).output;
    },
    async [Symbol.asyncDispose]() {},
  };
};
