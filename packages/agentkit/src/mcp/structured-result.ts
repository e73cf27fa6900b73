import type { CallToolResult, Tool } from '@modelcontextprotocol/client';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import { checkOutputBy } from '../tool/json-schema.ts';

/** Throws `tool_failed` for a result that is not what the tool's definition promises. */
export async function checkStructure(
  { name, outputSchema }: Tool,
  { structuredContent, isError }: CallToolResult,
): Promise<void> {
  if (isError === true) return;
  const failed = (message: string, cause?: unknown): OpspawnError =>
    new OpspawnError('tool_failed', message, { retryable: false, details: { subject: name }, cause });
  if (structuredContent === undefined)
    throw failed(`The tool ${name} has an output schema and gave no structured content`);
  // both were parsed from JSON
  const output = { jsonSchema: outputSchema as Json };
  const checked = await checkOutputBy(output, structuredContent as Json).catch((thrown: unknown) => {
    throw failed(`The result of the tool ${name} cannot be checked: ${(thrown as Error).message}`, thrown);
  });
  if (checked.ok) return;
  throw failed(`The result of the tool ${name} is not what its schema says:\n${checked.problems}`);
}
