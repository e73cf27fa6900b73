import { z } from 'zod';
import type { AgentDefinition } from '../../agent.ts';
import { OpspawnError } from '../../errors.ts';
import { defineTool } from '../define-tool.ts';
import type { InlineTool } from '../tool.ts';

export interface HandoffOptions extends Pick<InlineTool<{ reason: string }>, 'approval'> {
  /** What the model is told of it. Default: made of the agent's name and description. */
  description?: string;
}

/**
 * Moves the conversation to another agent: from the next turn on its instructions, model, tools, planner and security
 * manager hold, and it sees all that was said. Limits, output schema, guardrails and memory stay those of the agent that
 * the run began with. Agents that hand to each other are given as functions: `handoff(() => billing)`. Throws
 * `invalid_argument` for what is no agent.
 */
export function handoff(
  target: AgentDefinition | (() => AgentDefinition),
  options: HandoffOptions = {},
): InlineTool<{ reason: string }> {
  if (typeof target !== 'function' && typeof target?.name !== 'string')
    throw new OpspawnError('invalid_argument', 'The agent to hand the conversation to must be one');
  const agent = typeof target === 'function' ? target : () => target;
  return defineTool({
    description: typeof target === 'function' ? 'Hands the conversation on' : describe(target),
    ...options,
    input: z.object({ reason: z.string().describe('Why the other agent should go on, in a sentence') }),
    annotations: { readOnlyHint: true },
    handoff: agent,
    execute: () => ({ handedTo: agent().name }),
  });
}

const describe = ({ name, description = '' }: AgentDefinition): string =>
  `Hands the conversation to the agent ${name}, who sees all of it and answers in your place. ${description}`.trim();
