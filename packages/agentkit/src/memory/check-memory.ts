/** What the caller of a memory may give. What is kept wrongly would break every later recall of its scope. */
import { z } from 'zod';
import { abortSignal, checkOptions } from '../check-options.ts';
import { jsonSchema, type Message, messageSchema } from '../message.ts';
import type {
  MemoryBlock,
  MemoryItem,
  MemoryScope,
  MemorySource,
  NewMemory,
  RecallOptions,
  SessionScope,
} from './memory.ts';

const jsonByName = z.record(z.string(), jsonSchema.optional());

/** With a misspelt key it would be a wider scope. */
const scopeSchema = z.strictObject({
  namespace: z.string().min(1),
  agent: z.string().optional(),
  session: z.string().optional(),
  user: z.string().optional(),
} satisfies Record<keyof MemoryScope, z.ZodType>);
const sessionSchema = scopeSchema.required({ session: true });

const newMemorySchema = z.strictObject({
  text: z.string(),
  scope: scopeSchema,
  source: z.strictObject({
    by: z.string(),
    taskId: z.string().optional(),
    step: z.string().optional(),
    isFromOutside: z.boolean(),
  } satisfies Record<keyof MemorySource, z.ZodType>),
  expiresAt: z.number('must be a Unix time in milliseconds').optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  // of an item of another memory; made anew
  id: z.unknown().optional(),
  createdAt: z.unknown().optional(),
} satisfies Record<keyof NewMemory | 'id' | 'createdAt', z.ZodType>);

const itemSchema = newMemorySchema.extend({
  id: z.string(),
  createdAt: z.number(),
  metadata: jsonByName.optional(),
});

const queryText = z.string('the query must be a text');
const recallSchema = z.strictObject({
  limit: z.int().nonnegative().optional(),
  signal: abortSignal.optional(),
} satisfies Record<keyof RecallOptions, z.ZodType>);
const blockSchema = z.strictObject({
  text: z.string(),
  isFromOutside: z.boolean(),
} satisfies Record<keyof MemoryBlock, z.ZodType>);
const messagesSchema = z.array(messageSchema);

const check = (what: string, schema: z.ZodType, given: unknown): void =>
  checkOptions(what, schema, given, 'invalid_argument');

/** Throws `invalid_argument` for a scope without a namespace, which would be everybody's, and for what is not known in one. */
export const checkScope = (scope: MemoryScope): void => check('The scope of a memory', scopeSchema, scope);
export const checkSession = (scope: SessionScope): void =>
  check('The scope of a session', sessionSchema, scope);
export const checkNewMemory = (memory: NewMemory): void => check('The memory', newMemorySchema, memory);
export const checkItem = (memory: MemoryItem): void => check('The memory', itemSchema, memory);
export const checkBlock = (name: string, block: MemoryBlock): void => {
  check('The name of a block', z.string(), name);
  check(`The block ${name}`, blockSchema, block);
};
export const checkMessages = (messages: readonly Message[]): void =>
  check('The list of messages', messagesSchema, messages);
export const checkId = (id: string): void => check('The id of a memory', z.string(), id);
export const checkRecall = (query: string, options: RecallOptions): void => {
  check('What is recalled', queryText, query);
  check('An option of recall', recallSchema, options);
};
