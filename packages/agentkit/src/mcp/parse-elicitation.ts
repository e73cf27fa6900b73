import { z } from 'zod';
import { OpspawnError } from '../errors.ts';
import { jsonSchema } from '../message.ts';

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
