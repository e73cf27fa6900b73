import { z } from 'zod';
import { clientKeySchema } from './task.ts';

const spent = {
  inputTokens: z.int().nonnegative(),
  outputTokens: z.int().nonnegative(),
  costMicroUsd: z
    .number()
    .nonnegative()
    .describe('1,000,000 = 1 US dollar; of the calls whose price is known'),
  unpricedTokens: z.int().nonnegative().describe('Tokens of tasks of which some call’s price is not known'),
};

export const listSpendingSchema = z.strictObject({
  by: z.enum(['session', 'agent', 'day']).default('day').describe('What is added up; days are in UTC'),
  limit: z.int().min(1).max(1_000).default(100),
});

const spendingSchema = z
  .object({
    name: z.string().describe('The session, the agent or the day, like 2026-11-26'),
    ...spent,
    lastAt: z.iso.datetime().describe('When something was added last'),
  })
  .meta({ id: 'Spending' });
export type Spending = z.infer<typeof spendingSchema>;

export const spendingListSchema = z.object({ items: z.array(spendingSchema) }).meta({ id: 'SpendingList' });

export const sessionParamsSchema = z.strictObject({ sessionId: clientKeySchema });

export const sessionSchema = z
  .object({
    id: z.string(),
    runs: z.int().nonnegative().describe('Agent runs whose messages its conversation has'),
    ...spent,
    lastAt: z.iso.datetime().optional().describe('When it cost something last'),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof sessionSchema>;
