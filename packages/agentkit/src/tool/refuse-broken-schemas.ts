import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import { inputSchemaOf, jsonSchemaProblem, outputSchemaOf } from './json-schema.ts';
import { describeProblem, listProblems } from './problem-list.ts';
import type { Tool, Tools } from './tool.ts';

/** Tools whose schemas are in order: looked at once, and not in each run. */
const sound = new WeakSet<Tool>();

/**
 * Throws `config_invalid`, naming tool and place, for JSON Schemas by which nothing can be checked: found before the model is
 * asked, since the model could not mend it. What a `validate` stands for is not looked at.
 */
export async function refuseBrokenSchemas(tools: Tools): Promise<void> {
  const problems: string[] = [];
  for (const [name, tool] of Object.entries(tools)) {
    if (sound.has(tool)) continue;
    const before = problems.length;
    for (const [part, schema] of schemasOf(tool)) {
      const problem = await jsonSchemaProblem(schema);
      if (problem !== undefined) problems.push(describeProblem([name, part, 'jsonSchema'], problem));
    }
    if (problems.length === before) sound.add(tool);
  }
  if (problems.length === 0) return;
  throw new OpspawnError(
    'config_invalid',
    `What describes these tools is no JSON Schema to check by:\n${listProblems(problems)}`,
    { details: { problems } },
  );
}

function schemasOf(tool: Tool): ['input' | 'output', { [key: string]: Json }][] {
  const { input } = tool;
  const output = 'output' in tool ? tool.output : undefined;
  const isChecked = !('~standard' in input) && input.validate === undefined;
  return [
    ...(isChecked ? [['input', inputSchemaOf(input)] as ['input', { [key: string]: Json }]] : []),
    ...(output !== undefined && !('~standard' in output)
      ? [['output', outputSchemaOf(output)] as ['output', { [key: string]: Json }]]
      : []),
  ];
}
