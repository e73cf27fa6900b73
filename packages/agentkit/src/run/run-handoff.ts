/** How a conversation moves from one agent to another. Recorded are only the results of the tools that did it. */
import { type AgentDefinition, isAgent } from '../agent.ts';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import { callsOf, type Message, type ToolCall, type ToolResult } from '../message.ts';
import type { Tools } from '../tool/tool.ts';

/** Who goes on after these calls: the target of the first handoff that worked, or the same agent as before. */
export function speakerAfter(
  speaker: AgentDefinition,
  calls: readonly ToolCall[],
  results: readonly ToolResult[],
): AgentDefinition {
  const handoff = handoffAmong(speaker, calls, results);
  if (handoff === undefined) return speaker;
  const { target, tool, named } = handoff;
  if (named === target.name) return target;
  throw new OpspawnError(
    'config_invalid',
    `${tool} handed the conversation to ${JSON.stringify(named)}, and would now hand it to ${target.name}`,
    { details: { tool, agent: target.name } },
  );
}

/** Who speaks at the end of an earlier conversation. What has changed in the agents since then counts for nothing. */
export function speakerOf(first: AgentDefinition, conversation: readonly Message[]): AgentDefinition {
  let speaker = first;
  let calls: readonly ToolCall[] = [];
  for (const message of conversation) {
    if (message.role === 'assistant') calls = callsOf(message);
    if (message.role !== 'tool') continue;
    const handoff = handoffAmong(speaker, calls, message.content);
    if (handoff?.named === handoff?.target.name) speaker = handoff?.target ?? speaker;
  }
  return speaker;
}

export const isHandoff = ({ tools }: AgentDefinition, name: string): boolean =>
  targetOf(tools, name) !== undefined;

interface Handoff {
  tool: string;
  target: AgentDefinition;
  /** The agent that was recorded. */
  named: Json | undefined;
}

function handoffAmong(
  { tools }: AgentDefinition,
  calls: readonly ToolCall[],
  results: readonly ToolResult[],
): Handoff | undefined {
  for (const { callId, tool } of calls) {
    const result = results.find((each) => each.callId === callId);
    const target = result === undefined || result.isError === true ? undefined : targetOf(tools, tool);
    if (target !== undefined) return { tool, target, named: handedTo(result?.output ?? null) };
  }
  return undefined;
}

function targetOf(tools: Tools = {}, name: string): AgentDefinition | undefined {
  const tool = Object.hasOwn(tools, name) ? tools[name] : undefined;
  const target = tool !== undefined && 'handoff' in tool ? tool.handoff?.() : undefined;
  return target !== undefined && isAgent(target) ? target : undefined;
}

const handedTo = (output: Json): Json | undefined =>
  typeof output === 'object' && output !== null && !Array.isArray(output) ? output.handedTo : undefined;
