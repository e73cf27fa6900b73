import { z } from 'zod';
import type { AgentDefinition } from '../../agent.ts';
import { OpspawnError } from '../../errors.ts';
import { defineTool } from '../define-tool.ts';
import type { AskingTool } from '../tool.ts';

export interface DelegateOptions extends Pick<AskingTool<{ prompt: string }>, 'annotations' | 'approval'> {
  /** What the model is told of it. Default: made of the agent's name and description. */
  description?: string;
}

/**
 * Another agent as a tool: its answer is the call's result. Under ops-core it runs as a durable child task, in agentkit
 * alone within this process, on the budget of the run that called it. It sees nothing of
 * the caller's conversation. Throws `invalid_argument` for what is no agent.
 */
export function delegate(
  agent: AgentDefinition,
  options: DelegateOptions = {},
): AskingTool<{ prompt: string }> {
  if (typeof agent?.name !== 'string')
    throw new OpspawnError('invalid_argument', 'The agent to hand work to must be one');
  const { name, description = '' } = agent;
  return defineTool({
    description: `Hands work to the agent ${name} and gives its answer. ${description}`.trim(),
    ...options,
    input: z.object({
      prompt: z.string().min(1).describe('All that it has to know: it does not see this conversation'),
    }),
    ask: ({ prompt }) => ({ kind: 'agent', name, input: { prompt } }),
    agents: [agent],
  });
}
