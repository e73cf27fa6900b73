/**
 * The text of a cassette: JSON lines in a fixed order of keys, so that recording the same again changes nothing and a
 * change reads as a few lines of a diff. The first line is the head; a list of tools stands on a line of its own, once,
 * and a request names it; a request that goes on from an earlier exchange holds only the messages that are new.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { OpspawnError, recordError } from '../../errors.ts';
import { canonicalJson, type Json } from '../../json.ts';
import { jsonSchema, type Message, messageSchema, usageSchema } from '../../message.ts';

const priceFields = {
  inputMicroUsd: z.number(),
  cachedInputMicroUsd: z.number().exactOptional(),
  cacheWriteMicroUsd: z.number().exactOptional(),
  outputMicroUsd: z.number(),
};
const headSchema = z.object({
  cassette: z.literal(1),
  model: z.object({
    id: z.string(),
    contextTokens: z.number().exactOptional(),
    maxOutputTokens: z.number().exactOptional(),
    price: z
      .object({
        ...priceFields,
        longContext: z.object({ ...priceFields, aboveTokens: z.number() }).exactOptional(),
      })
      .exactOptional(),
  }),
});
/** What was recorded of the model itself. */
export type RecordedModel = z.infer<typeof headSchema>['model'];

const toolsSchema = z.object({
  tools: z.string(),
  specs: z.array(z.object({ name: z.string(), description: z.string(), inputSchema: jsonSchema })),
});

const optionFields = {
  toolChoice: z.union([z.enum(['auto', 'required', 'none']), z.object({ tool: z.string() })]).exactOptional(),
  outputSchema: jsonSchema.exactOptional(),
  temperature: z.number().exactOptional(),
  maxOutputTokens: z.number().exactOptional(),
  reasoningEffort: z.enum(['none', 'low', 'medium', 'high']).exactOptional(),
};
const answerFields = {
  reply: z.object({
    message: messageSchema.options[2],
    usage: usageSchema,
    finishReason: z.string(),
    model: z.string(),
  }),
  /** The pieces in which it came. */
  deltas: z.array(z.tuple([z.enum(['text', 'reasoning']), z.string()])),
};
const exchangeSchema = z.object({
  request: z.object({
    /** Number of the exchange, from 1, whose messages and answer come before these messages. */
    after: z.int().positive().exactOptional(),
    messages: z.array(messageSchema),
    tools: z.string().exactOptional(),
    ...optionFields,
  }),
  ...answerFields,
});
type ExchangeLine = z.infer<typeof exchangeSchema>;

/** A request as it is compared: everything that decides about the answer, and nothing else. */
export interface RecordedRequest extends Omit<ExchangeLine['request'], 'after' | 'tools'> {
  tools: z.infer<typeof toolsSchema>['specs'];
}
export interface Exchange extends Pick<ExchangeLine, 'reply' | 'deltas'> {
  request: RecordedRequest;
}

export interface Cassette {
  model: RecordedModel;
  exchanges: readonly Exchange[];
}

/** Throws `config_invalid`, naming file and line, for what is no cassette. */
export function parseCassette(text: string, path: string): Cassette {
  const [head = '', ...rest] = text.split('\n');
  const { model } = parseLine(headSchema, head, `${path}:1`);
  const exchanges: Exchange[] = [];
  const tools = new Map<string, RecordedRequest['tools']>();
  for (const [index, line] of rest.entries()) {
    if (line === '') continue;
    const where = `${path}:${index + 2}`;
    const parsed = parseLine(z.union([toolsSchema, exchangeSchema]), line, where);
    if ('specs' in parsed) tools.set(parsed.tools, parsed.specs);
    else exchanges.push(expand(parsed, exchanges, tools, where));
  }
  return { model, exchanges };
}

function expand(
  { request: { after, messages, tools, ...options }, ...answer }: ExchangeLine,
  exchanges: readonly Exchange[],
  toolLists: ReadonlyMap<string, RecordedRequest['tools']>,
  where: string,
): Exchange {
  const base = after === undefined ? [] : exchanges[after - 1];
  const specs = tools === undefined ? [] : toolLists.get(tools);
  if (base === undefined) throw broken(where, `there is no exchange ${after} before it`);
  if (specs === undefined) throw broken(where, `there are no tools ${tools} before it`);
  const before = 'reply' in base ? conversationAfter(base) : base;
  return { ...answer, request: { messages: [...before, ...messages], tools: specs, ...options } };
}

function parseLine<Schema extends z.ZodType>(schema: Schema, line: string, where: string): z.infer<Schema> {
  try {
    return schema.parse(JSON.parse(line));
  } catch (thrown) {
    throw broken(where, thrown instanceof z.ZodError ? z.prettifyError(thrown) : recordError(thrown).message);
  }
}

const broken = (where: string, why: string): OpspawnError =>
  new OpspawnError('config_invalid', `${where} is no line of a cassette: ${why}`, { details: { where } });

/** Gives the lines of one exchange after another, as they are appended to a file. */
export class CassetteWriter {
  readonly #conversations: string[][] = [];
  readonly #toolLists = new Set<string>();

  head(model: RecordedModel): string {
    return `${JSON.stringify({ cassette: 1, model })}\n`;
  }

  lines({ request, reply, deltas }: Exchange): string {
    const { messages, tools, ...options } = request;
    const keys = messages.map((message) => canonicalJson(message as Json));
    const base = this.#conversations
      .map((known) => known.length <= keys.length && known.every((key, index) => key === keys[index]))
      .lastIndexOf(true);
    const known = this.#conversations[base]?.length ?? 0;
    const name = tools.length === 0 ? undefined : nameOf(tools);
    const line = {
      request: {
        ...(base >= 0 && { after: base + 1 }),
        messages: messages.slice(known),
        ...(name !== undefined && { tools: name }),
        ...options,
      },
      reply,
      deltas,
    };
    this.#conversations.push([...keys, canonicalJson(reply.message as Json)]);
    return `${this.#toolLines(name, tools)}${JSON.stringify(line)}\n`;
  }

  #toolLines(name: string | undefined, specs: RecordedRequest['tools']): string {
    if (name === undefined || this.#toolLists.has(name)) return '';
    this.#toolLists.add(name);
    return `${JSON.stringify({ tools: name, specs })}\n`;
  }
}

const conversationAfter = ({ request, reply }: Exchange): Message[] => [...request.messages, reply.message];

const nameOf = (tools: RecordedRequest['tools']): string => keyOf(tools as unknown as Json).slice(0, 12);

/** Equal values have equal keys. */
export const keyOf = (value: Json): string => createHash('sha256').update(canonicalJson(value)).digest('hex');
