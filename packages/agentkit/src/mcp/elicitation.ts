import { z } from 'zod';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import { jsonSchema } from '../message.ts';
import type { InputAnswer, InputRequest } from '../tool/input-required.ts';

const maxMessageChars = 4_000;
const maxProperties = 50;

const choice = z.object({ const: z.string(), title: z.string().optional() });
/**
 * What the protocol lets a server ask for in one field. Everything else, such as a pattern that takes for ever, is left
 * out: the schema is applied to what a person writes, where the server's word is no reason to hang.
 */
const fieldSchema = z.object({
  type: z.enum(['string', 'number', 'integer', 'boolean', 'array']).optional(),
  title: z.string().optional(),
  description: z.string().optional(),
  default: jsonSchema.optional(),
  minLength: z.int().nonnegative().optional(),
  maxLength: z.int().nonnegative().optional(),
  format: z.enum(['email', 'uri', 'date', 'date-time']).optional().catch(undefined),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  enum: z.array(z.string()).min(1).optional(),
  enumNames: z.array(z.string()).optional(),
  oneOf: z.array(choice).min(1).optional(),
  minItems: z.int().nonnegative().optional(),
  maxItems: z.int().nonnegative().optional(),
  items: z
    .object({
      type: z.literal('string').optional(),
      enum: z.array(z.string()).min(1).optional(),
      anyOf: z.array(choice).min(1).optional(),
    })
    .optional(),
});

const formSchema = z.object({
  type: z.literal('object'),
  properties: z
    .record(z.string(), fieldSchema)
    .refine((fields) => Object.keys(fields).length <= maxProperties, `has more than ${maxProperties} fields`),
  required: z.array(z.string()).optional(),
});

const elicitSchema = z.union([
  z.object({
    mode: z.literal('url'),
    message: z.string().max(maxMessageChars),
    url: z.url({ protocol: /^https?$/ }),
  }),
  z.object({
    mode: z.literal('form').default('form'),
    message: z.string().max(maxMessageChars),
    requestedSchema: formSchema,
  }),
]);

/** What a server asks of a person: to fill in a form, or to go to a page. */
export type Elicitation = z.infer<typeof elicitSchema>;

type AcceptedContent = Record<string, string | number | boolean | string[]>;

/** As the protocol has it. */
export type ElicitReply =
  | { action: 'accept'; content?: AcceptedContent }
  | { action: 'decline' }
  | { action: 'cancel' };

/** Throws `tool_failed` for what is no elicitation. */
export function parseElicitation(params: unknown): Elicitation {
  const { data, error } = elicitSchema.safeParse(params);
  if (data !== undefined) return data;
  const [issue] = error.issues;
  throw new OpspawnError(
    'tool_failed',
    `It asks a person in a way that this client does not know: ${issue?.path.join('.')}: ${issue?.message}`,
    { cause: error, retryable: false },
  );
}

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
