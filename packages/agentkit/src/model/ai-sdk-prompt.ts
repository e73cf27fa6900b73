import type {
  JSONObject,
  JSONSchema7,
  LanguageModelV4FunctionTool,
  LanguageModelV4Message,
} from '@ai-sdk/provider';
import type { Json } from '../json.ts';
import type { AssistantMessage, Message, ToolResult } from '../message.ts';
import type { ToolSpec } from './model.ts';

type ProviderOptions = NonNullable<LanguageModelV4Message['providerOptions']>;
type UserPart = Extract<LanguageModelV4Message, { role: 'user' }>['content'][number];
type AssistantPart = Extract<LanguageModelV4Message, { role: 'assistant' }>['content'][number];
type ToolPart = Extract<LanguageModelV4Message, { role: 'tool' }>['content'][number];
type FileData = { type: 'data'; data: string } | { type: 'url'; url: URL };

/**
 * Converts conversations to prompts. A message is converted once as long as it lives, so that a turn costs what is
 * new in it and not what was said before.
 */
export class PromptConverter {
  readonly #messages = new WeakMap<Message, LanguageModelV4Message>();
  readonly #tools = new WeakMap<readonly ToolSpec[], LanguageModelV4FunctionTool[]>();

  messages(messages: readonly Message[]): LanguageModelV4Message[] {
    const prompt: LanguageModelV4Message[] = [];
    for (const message of messages) {
      let converted = this.#messages.get(message);
      if (converted === undefined) {
        converted = convertMessage(message);
        this.#messages.set(message, converted);
      }
      // Providers refuse messages without content, and a model may have answered nothing.
      if (converted.content.length > 0) prompt.push(converted);
    }
    return prompt;
  }

  tools(tools: readonly ToolSpec[]): LanguageModelV4FunctionTool[] {
    let converted = this.#tools.get(tools);
    if (converted === undefined) {
      converted = tools.map(({ name, description, inputSchema }) => ({
        type: 'function',
        name,
        description,
        inputSchema: inputSchema as JSONSchema7,
      }));
      this.#tools.set(tools, converted);
    }
    return converted;
  }
}

function convertMessage(message: Message): LanguageModelV4Message {
  switch (message.role) {
    case 'system':
      return { role: 'system', content: message.content };
    case 'user':
      return { role: 'user', content: message.content.map(userPart) };
    case 'assistant':
      return { role: 'assistant', content: message.content.filter(saysSomething).map(assistantPart) };
    case 'tool':
      return { role: 'tool', content: message.content.map(toolPart) };
    default:
      return message satisfies never;
  }
}

function userPart(part: Extract<Message, { role: 'user' }>['content'][number]): UserPart {
  if (part.type === 'text') return { type: 'text', text: part.text, ...options(part) };
  const { mediaType, data, filename } = part;
  return { type: 'file', mediaType, data: fileData(data), ...(filename === undefined ? {} : { filename }) };
}

/** Anthropic refuses empty texts; an empty reasoning part may carry what the provider wants back. */
const saysSomething = (part: AssistantMessage['content'][number]): boolean =>
  (part.type !== 'text' && part.type !== 'reasoning') || part.text !== '' || part.providerData !== undefined;

function assistantPart(part: AssistantMessage['content'][number]): AssistantPart {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text, ...options(part) };
    case 'reasoning':
      return { type: 'reasoning', text: part.text, ...options(part) };
    case 'file':
      return { type: 'file', mediaType: part.mediaType, data: fileData(part.data) };
    case 'tool-call':
      return {
        type: 'tool-call',
        toolCallId: part.callId,
        toolName: part.tool,
        input: callInput(part.input),
        ...options(part),
      };
    default:
      return part satisfies never;
  }
}

/** Providers take only objects here: what the model wrote instead is shown to it as a text. */
const callInput = (input: Json): Json =>
  typeof input === 'object' && input !== null && !Array.isArray(input) ? input : { invalid_arguments: input };

function toolPart({ callId, tool, output, isError }: ToolResult): ToolPart {
  const kind = typeof output === 'string' ? 'text' : 'json';
  return {
    type: 'tool-result',
    toolCallId: callId,
    toolName: tool,
    output: { type: isError === true ? `error-${kind}` : kind, value: output } as ToolPart extends {
      output: infer Output;
    }
      ? Output
      : never,
  };
}

function fileData(data: string): FileData {
  if (/^https?:\/\//i.test(data)) return { type: 'url', url: new URL(data) };
  const inline = /^data:[^,]*;base64,/i.exec(data);
  return { type: 'data', data: inline === null ? data : data.slice(inline[0].length) };
}

const options = (part: {
  providerData?: Record<string, Json> | undefined;
}): { providerOptions?: ProviderOptions } =>
  part.providerData === undefined ? {} : { providerOptions: part.providerData as Record<string, JSONObject> };
