import { z } from 'zod';
import { OpspawnError } from './errors.ts';
import { isJson, type Json } from './json.ts';

/**
 * Any JSON value, as a schema. Not `z.json()`: that one copies (10 times slower), drops keys named `__proto__` without
 * a word, and shows up in OpenAPI as a recursive union instead of `{}`.
 */
export const jsonSchema: z.ZodType<Json> = z
  .unknown()
  .refine((value) => isJson(value), 'must be a JSON value') as z.ZodType<unknown> as z.ZodType<Json>;

/** What a provider wants handed back with the part it came with (signatures, item ids). Opaque to us. */
const providerData = z.record(z.string(), jsonSchema).optional();

export const textPart = z.object({ type: z.literal('text'), text: z.string(), providerData });
export const reasoningPart = z.object({ type: z.literal('reasoning'), text: z.string(), providerData });
export const filePart = z.object({
  type: z.literal('file'),
  mediaType: z.string(),
  /** Base64, or a URL that the provider can read. */
  data: z.string(),
  filename: z.string().optional(),
});
export const toolCallPart = z.object({
  type: z.literal('tool-call'),
  callId: z.string(),
  tool: z.string(),
  input: jsonSchema,
  providerData,
});
export const toolResultPart = z.object({
  type: z.literal('tool-result'),
  callId: z.string(),
  tool: z.string(),
  output: jsonSchema,
  /** The tool failed, or was denied: `output` says why, for the model to act on. */
  isError: z.boolean().optional(),
});

/** One message of a conversation, as the journal holds it. */
export const messageSchema = z.discriminatedUnion('role', [
  z.object({ role: z.literal('system'), content: z.string() }),
  z.object({
    role: z.literal('user'),
    content: z.array(z.discriminatedUnion('type', [textPart, filePart])),
    /** Of a prompt in a session: the tools through which content from outside reached who wrote it. */
    taintedBy: z.array(z.string()).optional(),
  }),
  z.object({
    role: z.literal('assistant'),
    content: z.array(z.discriminatedUnion('type', [textPart, reasoningPart, filePart, toolCallPart])),
  }),
  z.object({ role: z.literal('tool'), content: z.array(toolResultPart) }),
]);

export type Message = z.infer<typeof messageSchema>;
export type AssistantMessage = Extract<Message, { role: 'assistant' }>;
export type ToolCall = z.infer<typeof toolCallPart>;
export type ToolResult = z.infer<typeof toolResultPart>;

/** Tokens of one call or of many. `input` counts cached tokens too, `output` counts reasoning too. */
export const usageSchema = z.object({
  inputTokens: z.int().nonnegative(),
  cachedInputTokens: z.int().nonnegative(),
  outputTokens: z.int().nonnegative(),
  reasoningTokens: z.int().nonnegative(),
  /** 1,000,000 = 1 US dollar. Absent when the price is unknown. */
  costMicroUsd: z.number().nonnegative().optional(),
});
export type Usage = z.infer<typeof usageSchema>;

/** Usage as a journal holds it: what may be 0 and is, is left out. */
export const recordedUsageSchema = usageSchema.extend({
  cachedInputTokens: usageSchema.shape.cachedInputTokens.default(0),
  reasoningTokens: usageSchema.shape.reasoningTokens.default(0),
});
export type RecordedUsage = z.input<typeof recordedUsageSchema>;

export const userMessage = (text: string): Extract<Message, { role: 'user' }> => ({
  role: 'user',
  content: [{ type: 'text', text }],
});

/** The text of a message, its parts joined. Throws `invalid_argument` for what is no message. */
export function textOf(message: Exclude<Message, { role: 'tool' }>): string {
  if (message?.role === 'system') return message.content;
  return partsOf(message).reduce((text, part) => (part.type === 'text' ? text + part.text : text), '');
}

/** What a model reads of a part: text as it is, calls and results as JSON; nothing of a file. */
export function textOfPart(part: Exclude<Message, { role: 'system' }>['content'][number]): string {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return part.text;
    case 'file':
      return '';
    case 'tool-call':
      return part.tool + JSON.stringify(part.input);
    case 'tool-result':
      return typeof part.output === 'string' ? part.output : JSON.stringify(part.output);
    default:
      throw part satisfies never;
  }
}

/** The calls in an answer. Throws `invalid_argument` for what is no message. */
export const callsOf = (message: AssistantMessage): ToolCall[] =>
  partsOf(message).filter((part) => part.type === 'tool-call');

function partsOf<Part>(message: { content: Part[] }): Part[] {
  if (Array.isArray(message?.content)) return message.content;
  throw new OpspawnError('invalid_argument', 'It is no message: role, and content as a list of parts');
}
