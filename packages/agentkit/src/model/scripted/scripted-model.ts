/** Models that are rules: no language model, no network, the same answer to the same question every time. */
import { z } from 'zod';
import { callable, checkOptions, count } from '../../check-options.ts';
import { OpspawnError } from '../../errors.ts';
import type { Json } from '../../json.ts';
import {
  type AssistantMessage,
  callsOf,
  type Message,
  type ToolCall,
  textOf,
  type Usage,
} from '../../message.ts';
import type { Model, ModelReply, ModelRequest } from '../model.ts';

/** What a scripted model answers: something said, tools called, or both. */
export interface ScriptedReply {
  say?: string;
  reasoning?: string;
  calls?: readonly ScriptedCall[];
}

export interface ScriptedCall {
  tool: string;
  input: Json;
  /** Default: `call_1`, `call_2`, … over the conversation. */
  callId?: string;
}

/** One answer, or what decides about it; throws what a model may throw (`model_failed`, `model_rejected`). */
export type ScriptedStep =
  | string
  | ScriptedReply
  | ((request: ModelRequest) => string | ScriptedReply | Promise<string | ScriptedReply>);

export type ScriptedModelOptions = {
  /** What stands behind `scripted/`. */
  name: string;
  contextTokens?: number;
  maxOutputTokens?: number;
} & (
  | { reply: ScriptedStep }
  /** The n-th answer of a conversation that holds n − 1 answers already: resumed runs go on where they were. */
  | { steps: readonly ScriptedStep[] }
);

const replySchema = z.strictObject({
  say: z.string().optional(),
  reasoning: z.string().optional(),
  calls: z
    .array(
      z.strictObject({
        tool: z.string(),
        input: z.unknown().optional(),
        callId: z.string().optional(),
      } satisfies Record<keyof ScriptedCall, z.ZodType>),
    )
    .optional(),
} satisfies Record<keyof ScriptedReply, z.ZodType>);
const stepSchema = z.union(
  [z.string(), callable, replySchema],
  'must be a text, a function, or { say, reasoning, calls }',
);
const optionsSchema = z
  .strictObject({
    name: z.string(),
    contextTokens: count.optional(),
    maxOutputTokens: count.optional(),
    reply: stepSchema.optional(),
    steps: z.array(stepSchema).optional(),
  })
  .refine(({ reply, steps }) => (reply ?? steps) !== undefined, 'needs steps (a list), or reply');

export const say = (text: string): ScriptedReply => ({ say: text });
export const callTool = (tool: string, input: Json = {}, callId?: string): ScriptedReply => ({
  calls: [{ tool, input, ...(callId !== undefined && { callId }) }],
});
export const callTools = (...calls: readonly ScriptedCall[]): ScriptedReply => ({ calls });

/**
 * A model that answers by rules. When watched it streams word by word. Costs nothing; a token is four characters of
 * text or of JSON, rounded up (`countScriptedTokens`). Throws `invalid_argument`, naming the path.
 */
export function scriptedModel(options: ScriptedModelOptions): Model {
  checkOptions('The scripted model', optionsSchema, options, 'invalid_argument');
  const id = `scripted/${options.name}`;
  const { contextTokens, maxOutputTokens } = options;
  return {
    id,
    ...(contextTokens !== undefined && { contextTokens }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    price: { inputMicroUsd: 0, outputMicroUsd: 0 },
    async call(request) {
      request.signal.throwIfAborted();
      const step = 'reply' in options ? options.reply : nextStep(options.steps, request, id);
      const answered = typeof step === 'function' ? await step(request) : step;
      const reply = typeof answered === 'string' ? say(answered) : answered;
      stream(reply, request);
      return replyOf(id, reply, request);
    },
  };
}

function nextStep(steps: readonly ScriptedStep[], { messages }: ModelRequest, id: string): ScriptedStep {
  const answered = messages.filter((message) => message.role === 'assistant').length;
  const step = steps[answered];
  if (step !== undefined) return step;
  throw new OpspawnError('model_rejected', `${id} has ${steps.length} steps, and all of them are done`);
}

/** Words with the space behind them, as a provider would send them. */
function stream({ reasoning = '', say: text = '' }: ScriptedReply, { onDelta, signal }: ModelRequest): void {
  if (onDelta === undefined) return;
  for (const piece of reasoning.match(/\S*\s*/g) ?? [])
    if (piece !== '') onDelta({ kind: 'reasoning', text: piece });
  for (const piece of text.match(/\S*\s*/g) ?? []) if (piece !== '') onDelta({ kind: 'text', text: piece });
  signal.throwIfAborted();
}

function replyOf(id: string, reply: ScriptedReply, { messages }: ModelRequest): ModelReply {
  const { reasoning, say: text, calls = [] } = reply;
  const before = messages.reduce(
    (sum, each) => sum + (each.role === 'assistant' ? callsOf(each).length : 0),
    0,
  );
  const message: AssistantMessage = {
    role: 'assistant',
    content: [
      ...(reasoning ? [{ type: 'reasoning' as const, text: reasoning }] : []),
      ...(text ? [{ type: 'text' as const, text }] : []),
      ...calls.map(({ tool, input, callId }, index): ToolCall => {
        return { type: 'tool-call', callId: callId ?? `call_${before + index + 1}`, tool, input };
      }),
    ],
  };
  const finishReason = calls.length > 0 ? 'tool-calls' : 'stop';
  return { message, usage: usageOf(messages, message, reasoning ?? ''), model: id, finishReason };
}

function usageOf(messages: readonly Message[], answer: AssistantMessage, reasoning: string): Usage {
  return {
    inputTokens: messages.reduce((sum, message) => sum + countScriptedTokens(message), 0),
    cachedInputTokens: 0,
    outputTokens: countScriptedTokens(answer),
    reasoningTokens: Math.ceil(reasoning.length / 4),
    costMicroUsd: 0,
  };
}

/** Counted once per message: a conversation is counted again at every turn. */
const counted = new WeakMap<Message, number>();

/** A token is four characters, rounded up per message: its texts, and its tool calls and results as JSON. */
export function countScriptedTokens(message: Message): number {
  const known = counted.get(message);
  if (known !== undefined) return known;
  const characters =
    message.role === 'system'
      ? message.content.length
      : message.content.reduce((sum: number, part) => sum + charactersOf(part), 0);
  const tokens = Math.ceil(characters / 4);
  counted.set(message, tokens);
  return tokens;
}

function charactersOf(part: Exclude<Message, { role: 'system' }>['content'][number]): number {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return part.text.length;
    case 'file':
      return part.data.length;
    case 'tool-call':
      return JSON.stringify(part.input).length + part.tool.length;
    case 'tool-result':
      return JSON.stringify(part.output).length;
    default:
      throw part satisfies never;
  }
}

/** What the user asked for first, for rules that look at it. */
export const promptOf = ({ messages }: ModelRequest): string => {
  const last = messages.filter((message) => message.role === 'user').at(-1);
  return last === undefined ? '' : textOf(last);
};
