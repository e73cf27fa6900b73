import type { Message } from '../message.ts';
import type { ModelRequest } from './model.ts';
import { tokensOfText } from './tokens-of-text.ts';

type Part = Exclude<Message, { role: 'system' }>['content'][number];

/** What providers make of an image of a usual size, and of a page or two. */
const tokensPerFile = 1_500;

/** Counted once per message: a conversation is sent again at every turn. */
const counted = new WeakMap<Message, number>();

/**
 * About how many tokens a request comes to, rather too many than too few (`tokensOfText`): what is reserved of a limit, and
 * what calls are paced by, until the provider's own figure is known. Nothing is paid by it.
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
      ? tokensOfText(message.content)
      : (message.content as readonly Part[]).reduce((sum, part) => sum + tokensOfPart(part), 0);
  counted.set(message, tokens);
  return tokens;
}

function tokensOfPart(part: Part): number {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return tokensOfText(part.text);
    case 'file':
      return tokensPerFile;
    case 'tool-call':
      return tokensOfText(JSON.stringify(part.input));
    case 'tool-result':
      return tokensOfText(JSON.stringify(part.output));
    default:
      throw part satisfies never;
  }
}

const countedTools = new WeakMap<ModelRequest['tools'], number>();

function tokensOfTools(tools: ModelRequest['tools']): number {
  const tokens = countedTools.get(tools) ?? tokensOfText(JSON.stringify(tools));
  countedTools.set(tools, tokens);
  return tokens;
}
