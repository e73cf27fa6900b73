import type { AgentOutput } from '../agent.ts';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import { inputSchemaOf, jsonSchemaProblem, outputSchemaOf, shownSchemaOf } from './json-schema.ts';
import { describeProblem, listProblems } from './problem-list.ts';
import type { Tool, Tools } from './tool.ts';

type Placed = [place: string[], schema: { [key: string]: Json }];

/** Tools and outputs whose schemas are in order: looked at once, and not in each run. */
const sound = new WeakSet<Tool | AgentOutput>();

/**
 * Throws `config_invalid`, naming tool and place, for JSON Schemas by which nothing can be checked: found before the model is
 * asked, since the model could not mend it. What a `validate` stands for is not looked at.
 */
export async function refuseBrokenSchemas(tools: Tools, output?: AgentOutput): Promise<void> {
  const problems: string[] = [];
  for (const [name, tool] of Object.entries(tools))
    if (!sound.has(tool)) problems.push(...(await problemsOf(tool, schemasOf(name, tool))));
  if (output !== undefined && !sound.has(output) && isCheckedBy(output))
    problems.push(...(await problemsOf(output, [[['output'], shownSchemaOf(output)]])));
  if (problems.length === 0) return;
  const message = `By these JSON Schemas nothing can be checked:\n${listProblems(problems)}`;
  throw new OpspawnError('config_invalid', message, { details: { problems } });
}

async function problemsOf(of: Tool | AgentOutput, schemas: readonly Placed[]): Promise<string[]> {
  const problems: string[] = [];
  for (const [place, schema] of schemas) {
    const problem = await jsonSchemaProblem(schema);
    if (problem !== undefined) problems.push(describeProblem([...place, 'jsonSchema'], problem));
  }
  if (problems.length === 0) sound.add(of);
  return problems;
}

/** Whether it is the JSON Schema by which values are checked. */
const isCheckedBy = (given: AgentOutput): boolean => !('~standard' in given) && given.validate === undefined;

function schemasOf(name: string, tool: Tool): Placed[] {
  const placed: Placed[] = [];
  if (isCheckedBy(tool.input)) placed.push([[name, 'input'], inputSchemaOf(tool.input)]);
  const output = 'output' in tool ? tool.output : undefined;
  if (output !== undefined && !('~standard' in output))
    placed.push([[name, 'output'], outputSchemaOf(output)]);
  return placed;
}
