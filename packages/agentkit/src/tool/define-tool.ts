import { checkOptions } from '../check-options.ts';
import type { Json } from '../json.ts';
import { inputSchemaOf } from './json-schema.ts';
import type { SchemaOutput, StandardSchemaV1 } from './standard-schema.ts';
import type { AskingTool, InlineTool, ProcessTool, SandboxTool, ToolContext, ToolInput } from './tool.ts';
import { toolSchema } from './tool-schema.ts';

/** What a tool with this input gets: what the schema decodes, or a JSON object. */
export type InputOf<Input extends ToolInput> = Input extends StandardSchemaV1
  ? SchemaOutput<Input>
  : Input extends { validate: infer Schema extends StandardSchemaV1 }
    ? SchemaOutput<Schema>
    : { [key: string]: Json };

type WithInput<Input extends ToolInput, Definition> = Omit<Definition, 'input'> & { input: Input };

/** Its code sees what the run gives as its schema decodes it. */
type WithContext<Input extends ToolInput, Given extends StandardSchemaV1> = Omit<
  WithInput<Input, InlineTool<InputOf<Input>>>,
  'context' | 'execute'
> & {
  context: Given;
  execute: (
    input: InputOf<Input>,
    context: ToolContext & { readonly context: SchemaOutput<Given> },
  ) => unknown;
};

/**
 * A tool whose code is checked against its input schema (any Standard Schema, or JSON Schema). Throws
 * `invalid_argument`, naming the path, for what is no tool, and for a schema that no model can be shown.
 */
export function defineTool<Input extends ToolInput, Given extends StandardSchemaV1>(
  tool: WithContext<Input, Given>,
): InlineTool<InputOf<Input>>;
export function defineTool<Input extends ToolInput>(
  tool: WithInput<Input, InlineTool<InputOf<Input>>>,
): InlineTool<InputOf<Input>>;
export function defineTool<Input extends ToolInput>(
  tool: WithInput<Input, ProcessTool<InputOf<Input>>>,
): ProcessTool<InputOf<Input>>;
export function defineTool<Input extends ToolInput>(
  tool: WithInput<Input, SandboxTool<InputOf<Input>>>,
): SandboxTool<InputOf<Input>>;
export function defineTool<Input extends ToolInput>(
  tool: WithInput<Input, AskingTool<InputOf<Input>>>,
): AskingTool<InputOf<Input>>;
export function defineTool<Definition extends { input: ToolInput }>(tool: Definition): Definition {
  checkOptions('The tool', toolSchema, tool, 'invalid_argument');
  inputSchemaOf(tool.input);
  return tool;
}
