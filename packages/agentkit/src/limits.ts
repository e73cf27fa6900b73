import { z } from 'zod';

/** What a run may use. A limit that is absent does not apply, except for `turns` and `toolCalls`. */
export const limitsSchema = z.strictObject({
  /** Model calls. Default 50. */
  turns: z.int().positive().optional(),
  /** Input and output tokens of all calls. */
  tokens: z.int().positive().optional(),
  /**
   * From the start of the run, in ms. Waiting for people and downtime count, which is why there is no default: an
   * approval may take days.
   */
  wallTimeMs: z.int().positive().optional(),
  /** Default 500. */
  toolCalls: z.int().positive().optional(),
  /** 1,000,000 = 1 US dollar. A run with this limit refuses a model whose price is unknown. */
  costMicroUsd: z.int().positive().optional(),
});

export type Limits = z.infer<typeof limitsSchema>;

export const defaultLimits = { turns: 50, toolCalls: 500 } as const satisfies Limits;
