import { type Message, textOfPart, userMessage } from '../../message.ts';
import { countAll } from './count-tokens.ts';

/** The longest text of a part at first, in characters; halved until all fits. */
const longestText = 16_000;
const shortestText = 250;

/**
 * A conversation told as text, in one message of at most so many tokens: the longest texts and results are cut in the
 * middle, and where that does not do, the oldest messages are left out.
 */
export async function transcriptOf(messages: readonly Message[], mostTokens: number): Promise<Message> {
  let told = messages;
  for (let length = longestText; ; ) {
    const transcript = userMessage(told.map((message) => tell(message, length)).join('\n\n'));
    if (told.length === 0 || (await countAll([transcript])) <= mostTokens) return transcript;
    if (length > shortestText) length = Math.floor(length / 2);
    else told = told.slice(Math.ceil(told.length / 4));
  }
}

function tell(message: Message, length: number): string {
  if (message.role === 'system') return '';
  return message.content
    .map((part) => {
      const text = cut(textOfPart(part), length);
      switch (part.type) {
        case 'text':
          return `${message.role}: ${text}`;
        case 'reasoning':
          return `${message.role} thought: ${text}`;
        case 'file':
          return `${message.role}: [a file, ${part.filename ?? part.mediaType}]`;
        case 'tool-call':
          return `${message.role} called ${text}`;
        case 'tool-result':
          return `${part.tool} ${part.isError ? 'failed' : 'gave'}: ${text}`;
        default:
          throw part satisfies never;
      }
    })
    .join('\n');
}

/** The text, without its middle where it is longer than so many characters. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  const half = Math.floor(length / 2);
  return `${text.slice(0, half)}\n[… ${text.length - 2 * half} characters left out …]\n${text.slice(-half)}`;
}
