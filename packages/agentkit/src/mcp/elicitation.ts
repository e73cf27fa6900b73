import type { Json } from '../json.ts';
import type { InputAnswer, InputRequest } from '../tool/input-required.ts';
import type { Elicitation } from './parse-elicitation.ts';

type AcceptedContent = Record<string, string | number | boolean | string[]>;

/** As the protocol has it. */
export type ElicitReply =
  | { action: 'accept'; content?: AcceptedContent }
  | { action: 'decline' }
  | { action: 'cancel' };

/** What the person is shown, always with the name of the server: what follows it are words of the server. */
export function asInputRequest(
  server: string,
  elicitation: Elicitation,
  timeoutMs: number | undefined,
): InputRequest {
  const { message } = elicitation;
  if (elicitation.mode === 'form') {
    const prompt = `The MCP server ${server} asks:\n${message}`;
    return { prompt, schema: elicitation.requestedSchema as unknown as Json, timeoutMs };
  }
  const { url } = elicitation;
  const { host } = new URL(url);
  const prompt = [
    `The MCP server ${server} asks you to open a page of ${host}, where it will know who you are:`,
    message,
    url,
    'Answer true when you have done there what it asks, false to decline.',
  ].join('\n');
  return { prompt, schema: { type: 'boolean' }, timeoutMs };
}

/** A person's answer as the server gets it. */
export function replyOf(elicitation: Elicitation, answer: InputAnswer): ElicitReply {
  if (answer.outcome === 'unanswered') return { action: 'cancel' };
  if (answer.outcome === 'declined' || answer.value === false) return { action: 'decline' };
  if (elicitation.mode === 'url') return { action: 'accept' };
  const { properties } = elicitation.requestedSchema;
  const defaults = Object.entries(properties).flatMap(([name, field]): [string, Json][] =>
    field.default === undefined ? [] : [[name, field.default]],
  );
  const said = Object.entries(answer.value ?? {}).filter(([name]) => Object.hasOwn(properties, name));
  // what the answer says was checked by the form's schema
  const content = Object.fromEntries([...defaults, ...said]) as AcceptedContent;
  return { action: 'accept', content };
}
