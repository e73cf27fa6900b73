import { type AgentDefinition, isAgent } from '../agent.ts';
import type { Tool, Tools } from '../tool/tool.ts';

/** The agents that these, and whoever the conversation may be handed to from them, hand work to. */
export const delegatesOf = (sources: readonly Tools[]): readonly AgentDefinition[] => {
  const speakers = [...sources];
  // an array that grows while it is gone through: whoever is handed the conversation may hand it on
  for (const tools of speakers) {
    for (const target of Object.values(tools).flatMap(speakerOf))
      if (target.tools !== undefined && !speakers.includes(target.tools)) speakers.push(target.tools);
  }
  const found = speakers.flatMap((tools) => Object.values(tools)).flatMap(workersOf);
  return [...new Set(found)];
};

/** All agents that come into a task of their own when these run: they, their delegates, the delegates of those, and so on. */
export function withDelegates(agents: readonly AgentDefinition[]): readonly AgentDefinition[] {
  const all = new Set(agents);
  for (const { tools = {} } of all) for (const each of delegatesOf([tools])) all.add(each);
  return [...all];
}

/** All who may take part in a run: the agent, whom it hands the conversation or work to, whom these do, and so on. */
export function allWithin(agent: AgentDefinition, extraTools: Tools = {}): readonly AgentDefinition[] {
  const all = new Set([agent]);
  const addFrom = (tools: Tools): void => {
    for (const tool of Object.values(tools))
      for (const each of [...speakerOf(tool), ...workersOf(tool)]) all.add(each);
  };
  addFrom(extraTools);
  for (const { tools = {} } of all) addFrom(tools);
  return [...all];
}

function speakerOf(tool: Tool): AgentDefinition[] {
  const target = 'handoff' in tool ? tool.handoff?.() : undefined;
  return target !== undefined && isAgent(target) ? [target] : [];
}

const workersOf = (tool: Tool): AgentDefinition[] =>
  'agents' in tool ? (tool.agents ?? []).filter(isAgent) : [];
