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
  const details = { subject: name };
  if (structuredContent === undefined) {
    const message = `The tool ${name} has an output schema and gave no structured content`;
    throw new OpspawnError('tool_failed', message, { retryable: false, details });
  }
  // both were parsed from JSON
  const checked = await checkOutputBy({ jsonSchema: outputSchema as Json }, structuredContent as Json);
  if (checked.ok) return;
  const message = `The result of the tool ${name} is not what its schema says:\n${checked.problems}`;
  throw new OpspawnError('tool_failed', message, { retryable: false, details });
}
