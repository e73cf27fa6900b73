import { countAll, mostTokens } from '../memory/compaction/count-tokens.ts';
import type { ToolSpec } from '../model/model.ts';
import { inputSchemaOf } from '../tool/json-schema.ts';
import type { Tools } from '../tool/tool.ts';

/** What a list of tools may cost a model at every turn, where the agent does not say otherwise. */
export const defaultMaxToolTokens = 25_000;

/** Whether the list would cost a model more tokens than that. Loads the tokenizer only when it may. */
export async function isOverCeiling(tools: Tools, maxTokens: number): Promise<boolean> {
  const specs = Object.entries(tools).map(([name, tool]): ToolSpec => {
    return { name, description: tool.description, inputSchema: inputSchemaOf(tool.input) };
  });
  const atMost = specs.reduce((sum, spec) => sum + mostTokens(spec), 0);
  return atMost > maxTokens && (await countAll(specs)) > maxTokens;
}
