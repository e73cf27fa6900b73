import type { Message } from '../message.ts';
import type { ModelRequest } from './model.ts';

type Part = Exclude<Message, { role: 'system' }>['content'][number];

/** What providers make of an image of a usual size, and of a page or two. */
const tokensPerFile = 1_500;

/** Counted once per message: a conversation is sent again at every turn. */
const counted = new WeakMap<Message, number>();

/**
 * About how many tokens a request comes to, at four characters each: enough to pace calls by, replaced by the provider's own
 * figure once that is known. Nothing is paid or cut by it.
 */
export function estimateTokens({ messages, tools }: Pick<ModelRequest, 'messages' | 'tools'>): number {
  const said = messages.reduce((sum, message) => sum + tokensOf(message), 0);
  return said + (tools.length > 0 ? tokensOfTools(tools) : 0);
}

function tokensOf(message: Message): number {
  const known = counted.get(message);
  if (known !== undefined) return known;
  const tokens =
    message.role === 'system'
      ? Math.ceil(message.content.length / 4)
      : (message.content as readonly Part[]).reduce((sum, part) => sum + tokensOfPart(part), 0);
  counted.set(message, tokens);
  return tokens;
}

function tokensOfPart(part: Part): number {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return Math.ceil(part.text.length / 4);
    case 'file':
      return tokensPerFile;
    case 'tool-call':
      return Math.ceil(JSON.stringify(part.input).length / 4);
    case 'tool-result':
      return Math.ceil(JSON.stringify(part.output).length / 4);
    default:
      throw part satisfies never;
  }
}

const countedTools = new WeakMap<ModelRequest['tools'], number>();

function tokensOfTools(tools: ModelRequest['tools']): number {
  const tokens = countedTools.get(tools) ?? Math.ceil(JSON.stringify(tools).length / 4);
  countedTools.set(tools, tokens);
  return tokens;
}
