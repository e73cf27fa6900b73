import { z } from 'zod';
import { clientKeySchema, rateSchema } from './task.ts';

export const limitKeySchema = clientKeySchema.describe(
  'What tasks name as `concurrencyKey` or `rateKey`; `queue:NAME` and `KIND:NAME` are keys of all tasks of a queue or definition',
);

const maxRunningSchema = z
  .int()
  .min(0)
  .max(1_000_000)
  .describe('So many tasks run under the key at once; 0 stops it');

export const setLimitSchema = z
  .strictObject({ maxRunning: maxRunningSchema.optional(), rate: rateSchema.optional() })
  .meta({
    id: 'SetLimit',
    examples: [{ maxRunning: 5 }, { rate: { count: 100, intervalMs: 60_000 } }],
  });

export const limitSchema = z
  .object({
    key: z.string(),
    setting: setLimitSchema
      .optional()
      .describe('What an operator says; absent where only tasks name the key'),
    running: z.int().nonnegative().describe('Tasks that have a place under it; at most 10,000 are counted'),
    waiting: z.int().nonnegative().describe('Tasks that stand in its line; at most 10,000 are counted'),
    holders: z.array(z.uuid()).describe('Some of those that have a place, at most 10'),
    nextStartAt: z.iso.datetime().optional().describe('When its rate lets the next task start'),
  })
  .meta({
    id: 'Limit',
    examples: [{ key: 'customer-7', setting: { maxRunning: 5 }, running: 1, waiting: 0, holders: [] }],
  });
export type Limit = z.infer<typeof limitSchema>;

export const limitListSchema = z.object({ items: z.array(limitSchema) }).meta({ id: 'LimitList' });
