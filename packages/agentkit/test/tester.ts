/** The small agent that the tests of the run loop share. */
import assert from 'node:assert/strict';
import { z } from 'zod';
import type { AgentDefinition } from '../src/agent.ts';
import { OpspawnError } from '../src/errors.ts';
import { type ScriptedStep, scriptedModel } from '../src/model/scripted/scripted-model.ts';
import { defineTool } from '../src/tool/define-tool.ts';

export const add = defineTool({
  description: 'Adds two numbers',
  input: z.object({ a: z.number(), b: z.number() }),
  annotations: { readOnlyHint: true },
  execute: ({ a, b }) => a + b,
});

/** An agent with the tool `add`, whose model gives these answers one after the other. */
export const agentWith = (
  steps: readonly ScriptedStep[],
  definition: Partial<AgentDefinition> = {},
): AgentDefinition => ({
  name: 'tester',
  instructions: 'Test.',
  model: scriptedModel({ name: 'test', steps }),
  tools: { add },
  ...definition,
});

/** Says the results that the model was shown last, as JSON. */
export const sayResults: ScriptedStep = ({ messages }) => {
  const last = messages.at(-1);
  assert(last?.role === 'tool');
  return last.content
    .map(({ output, isError }) => `${isError ? 'error ' : ''}${JSON.stringify(output)}`)
    .join('; ');
};

/** For `assert.rejects`. */
export const withCode =
  (code: string) =>
  (thrown: unknown): boolean =>
    thrown instanceof OpspawnError && thrown.code === code;
