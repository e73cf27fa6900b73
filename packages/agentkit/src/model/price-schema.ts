import { z } from 'zod';
import type { ModelPrice } from './model.ts';

const amount = z.number().nonnegative();
const price = {
  inputMicroUsd: amount,
  cachedInputMicroUsd: amount.optional(),
  cacheWriteMicroUsd: amount.optional(),
  outputMicroUsd: amount,
};

/** A price as users give it: none below 0, nothing misspelt. */
export const modelPriceSchema = z.strictObject({
  ...price,
  longContext: z.strictObject({ ...price, aboveTokens: z.int().positive() }).optional(),
} satisfies Record<keyof ModelPrice, z.ZodType>);
