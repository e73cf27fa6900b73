import { z } from 'zod';

export const providerNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'must be the name of a provider, like openai')
  .describe('As models are named by: `openai` of `openai/gpt-5.4-mini`');

const most = (what: string) =>
  z.int().min(1).max(1_000_000_000_000).optional().describe(`${what} of each of its keys in any minute`);

/** What any key of a provider may send. */
export const providerLimitSchema = z
  .strictObject({
    requestsPerMinute: most('Model calls'),
    tokensPerMinute: most('Input and output tokens'),
  })
  .meta({ id: 'ProviderLimit', examples: [{ requestsPerMinute: 500, tokensPerMinute: 200_000 }] });
export type ProviderLimitBody = z.infer<typeof providerLimitSchema>;

const keySchema = z.object({
  key: z.string().describe('A name of the key that does not tell it'),
  limit: providerLimitSchema.describe('What is in force; empty: not bounded'),
  requests: z
    .int()
    .nonnegative()
    .describe('Calls that count now: on the way, or had by the provider within the last minute'),
  tokens: z.int().nonnegative().describe('Of those calls: used, or estimated while they are on the way'),
  waiting: z.int().nonnegative().describe('Calls that wait'),
});

export const providerSchema = z
  .object({
    provider: z.string(),
    setting: providerLimitSchema
      .optional()
      .describe('What an operator says; absent where only the config of the workers does'),
    keys: z.array(keySchema).describe('Keys that were bounded at some time, with what they use'),
  })
  .meta({
    id: 'Provider',
    examples: [
      {
        provider: 'openai',
        setting: { requestsPerMinute: 500 },
        keys: [
          {
            key: 'openai:9f86d081884c7d65',
            limit: { requestsPerMinute: 500 },
            requests: 412,
            tokens: 80_311,
            waiting: 0,
          },
        ],
      },
    ],
  });
export type Provider = z.infer<typeof providerSchema>;

export const providerListSchema = z.object({ items: z.array(providerSchema) }).meta({ id: 'ProviderList' });
