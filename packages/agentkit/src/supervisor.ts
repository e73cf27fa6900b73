import type { AgentDefinition } from './agent.ts';
import { type Agent, defineAgent, type OnlyKeysOf, type OutputOf } from './define-agent.ts';
import { OpspawnError } from './errors.ts';
import { delegate } from './tool/builtin/delegate.ts';
import type { Tools } from './tool/tool.ts';

export interface SupervisorDefinition extends Omit<AgentDefinition, 'instructions'> {
  /** Whose work it leads. Each is a tool of its own name. */
  agents: readonly AgentDefinition[];
  /** Said before how to lead. Default: nothing. */
  instructions?: string;
}

/**
 * An agent that leads others: it splits the work, hands out the parts, side by side where they do not depend on one
 * another, looks at what comes back, and answers itself. Throws what `defineAgent` throws, and `config_invalid` for no
 * agents, and for an agent and a tool, or two agents, of one name.
 */
export function supervisor<const Definition extends SupervisorDefinition>(
  definition: Definition & OnlyKeysOf<SupervisorDefinition, Definition>,
): Agent<OutputOf<Definition>> {
  if (!Array.isArray(definition?.agents))
    throw new OpspawnError('config_invalid', 'A supervisor needs agents: the list of those that it leads');
  const { agents, instructions = '', tools = {}, ...rest }: SupervisorDefinition = definition;
  if (agents.length === 0) throw new OpspawnError('config_invalid', `${rest.name} has no agents to lead`);
  const led: Record<string, Tools[string]> = { ...tools };
  for (const agent of agents) {
    if (Object.hasOwn(led, agent.name)) {
      throw new OpspawnError('config_invalid', `${rest.name} has two tools or agents named ${agent.name}`, {
        details: { name: agent.name },
      });
    }
    led[agent.name] = delegate(agent);
  }
  const leading = `You lead these agents, each of which is a tool:\n${agents.map(describe).join('\n')}\n${howToLead}`;
  const whole: AgentDefinition = {
    ...rest,
    instructions: [instructions, leading].filter(Boolean).join('\n\n'),
    tools: led,
  };
  return defineAgent(whole) as Agent<OutputOf<Definition>>;
}

const describe = ({ name, description = '' }: AgentDefinition): string =>
  `- ${name}${description && `: ${description}`}`;

const howToLead = [
  'Split the work into parts and hand each to the agent that suits it, with all that it has to know: it sees nothing of this conversation.',
  'Hand out parts that do not depend on one another in one turn: they run side by side.',
  'Look at what comes back; hand a part out again, saying what is wrong, when it is not good enough.',
  'Give the final answer yourself.',
].join(' ');
