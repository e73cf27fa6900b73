import type { Json } from '../../json.ts';
import type { ModelRequest, ToolSpec } from '../model.ts';
import { promptOf, type ScriptedReply, scriptedModel } from './scripted-model.ts';

/**
 * `scripted/first-tool`, for examples that run without a key. Rules, no language model: it calls the first tool once,
 * with the numbers and the text of the prompt as arguments in the order of the tool's schema, and says the result.
 */
export const firstTool = scriptedModel({ name: 'first-tool', reply: answer });

function answer(request: ModelRequest): ScriptedReply {
  const last = request.messages.at(-1);
  if (last?.role === 'tool') return { say: last.content.map(({ output }) => textOf(output)).join('\n') };
  const [tool] = request.tools;
  if (tool === undefined) return { say: promptOf(request) };
  return { calls: [{ tool: tool.name, input: argumentsFor(tool, promptOf(request)) }] };
}

const textOf = (output: Json): string => (typeof output === 'string' ? output : JSON.stringify(output));

function argumentsFor({ inputSchema }: ToolSpec, prompt: string): { [key: string]: Json } {
  const { properties = {} } = inputSchema as { properties?: Record<string, { type?: string }> };
  const numbers = (prompt.match(/-?\d+(?:\.\d+)?/g) ?? []).map(Number);
  const values: [string, Json][] = Object.entries(properties).map(([name, { type }]) => [
    name,
    type === 'number' || type === 'integer' ? (numbers.shift() ?? 0) : prompt,
  ]);
  return Object.fromEntries(values);
}
