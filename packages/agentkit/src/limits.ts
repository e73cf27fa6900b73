import { z } from 'zod';

/** What a run may use. A limit that is absent does not apply, except where a default is named. */
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
  /**
   * The same call with the same result, or failing, in so many turns with nothing new in between ends the run with
   * `no_progress`. Default 3.
   */
  repeatedCalls: z.int().min(2).optional(),
  /** `pause`: under ops-core a task without progress pauses, with the evidence, until it is resumed. Default `fail`. */
  noProgress: z.enum(['fail', 'pause']).optional(),
  /** So many turns in a row that bring nothing new end the run with `no_progress`. Default 10. */
  idleTurns: z.int().min(2).optional(),
  /** Child tasks that this run may start; more are refused, and the model is told. Default 20. */
  children: z.int().nonnegative().optional(),
  /** How many levels of child agents there may be below the first run. Default 3. */
  childDepth: z.int().nonnegative().optional(),
  /** How often the conversation may be handed to another agent; more are refused, and the model is told. Default 10. */
  handoffs: z.int().nonnegative().optional(),
});

export type Limits = z.infer<typeof limitsSchema>;

export const defaultLimits = {
  turns: 50,
  toolCalls: 500,
  repeatedCalls: 3,
  idleTurns: 10,
  children: 20,
  handoffs: 10,
  childDepth: 3,
} as const satisfies Limits;
