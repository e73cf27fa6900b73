import { OpspawnError } from '../errors.ts';
import type { Usage } from '../message.ts';
import type { ModelPrice } from './model.ts';

/** When `modelPrices` and `modelContextTokens` were last compared with the vendors' pages. */
export const modelPricesDate = '2026-07-04';

/** From US dollars per million tokens, as the vendors state it. */
function price(
  inputUsd: number,
  cachedInputUsd: number,
  outputUsd: number,
  cacheWriteUsd = inputUsd,
): ModelPrice {
  return {
    inputMicroUsd: toMicroUsd(inputUsd),
    cachedInputMicroUsd: toMicroUsd(cachedInputUsd),
    cacheWriteMicroUsd: toMicroUsd(cacheWriteUsd),
    outputMicroUsd: toMicroUsd(outputUsd),
  };
}

const toMicroUsd = (usd: number): number => Math.round(usd * 1_000_000);

const above = (aboveTokens: number, base: ModelPrice, long: ModelPrice): ModelPrice => ({
  ...base,
  longContext: { ...long, aboveTokens },
});

/** Writing to the five-minute cache costs a quarter more than reading afresh. */
const claude = (inputUsd: number, outputUsd: number): ModelPrice =>
  price(inputUsd, inputUsd / 10, outputUsd, inputUsd * 1.25);

/**
 * List prices by `provider/model`, without discounts (batch, flex) and surcharges (priority, region). A model that is
 * not listed has no known price; `createModelRegistry({ prices })` adds or overrides.
 */
export const modelPrices: Readonly<Record<string, ModelPrice>> = {
  'openai/gpt-5.5': above(270_000, price(5, 0.5, 30), price(10, 1, 45)),
  'openai/gpt-5.4': above(270_000, price(2.5, 0.25, 15), price(5, 0.5, 22.5)),
  'openai/gpt-5.4-mini': price(0.75, 0.075, 4.5),
  'openai/gpt-5.4-nano': price(0.2, 0.02, 1.25),
  'openai/gpt-5.2': price(1.75, 0.175, 14),
  'openai/gpt-5.1': price(1.25, 0.125, 10),
  'openai/gpt-5': price(1.25, 0.125, 10),
  'openai/gpt-5-mini': price(0.25, 0.025, 2),
  'openai/gpt-5-nano': price(0.05, 0.005, 0.4),
  'openai/gpt-4.1': price(2, 0.5, 8),
  'openai/gpt-4.1-mini': price(0.4, 0.1, 1.6),
  'openai/gpt-4.1-nano': price(0.1, 0.025, 0.4),
  'openai/gpt-4o': price(2.5, 1.25, 10),
  'openai/gpt-4o-mini': price(0.15, 0.075, 0.6),
  'openai/o3': price(2, 0.5, 8),
  'openai/o4-mini': price(1.1, 0.275, 4.4),
  'anthropic/claude-opus-4-8': claude(5, 25),
  'anthropic/claude-opus-4-7': claude(5, 25),
  'anthropic/claude-opus-4-6': claude(5, 25),
  'anthropic/claude-opus-4-5': claude(5, 25),
  'anthropic/claude-opus-4-1': claude(15, 75),
  'anthropic/claude-sonnet-4-6': claude(3, 15),
  'anthropic/claude-sonnet-4-5': claude(3, 15),
  'anthropic/claude-haiku-4-5': claude(1, 5),
  'google/gemini-3.5-flash': price(1.5, 0.15, 9),
  'google/gemini-3.1-pro-preview': above(200_000, price(2, 0.2, 12), price(4, 0.4, 18)),
  'google/gemini-3.1-flash-lite-preview': price(0.25, 0.025, 1.5),
  'google/gemini-3-flash-preview': price(0.5, 0.05, 3),
  'google/gemini-2.5-pro': above(200_000, price(1.25, 0.125, 10), price(2.5, 0.25, 15)),
  'google/gemini-2.5-flash': price(0.3, 0.03, 2.5),
  'google/gemini-2.5-flash-lite': price(0.1, 0.01, 0.4),
};

/**
 * How much a model takes in one call, in tokens, by `provider/model`: input and answer together.
 * `createModelRegistry({ contextTokens })` adds or overrides.
 */
export const modelContextTokens: Readonly<Record<string, number>> = {
  'openai/gpt-5.5': 1_050_000,
  'openai/gpt-5.4': 1_050_000,
  'openai/gpt-5.4-mini': 400_000,
  'openai/gpt-5.4-nano': 400_000,
  'openai/gpt-5.2': 400_000,
  'openai/gpt-5.1': 400_000,
  'openai/gpt-5': 400_000,
  'openai/gpt-5-mini': 400_000,
  'openai/gpt-5-nano': 400_000,
  'openai/gpt-4.1': 1_047_576,
  'openai/gpt-4.1-mini': 1_047_576,
  'openai/gpt-4.1-nano': 1_047_576,
  'openai/gpt-4o': 128_000,
  'openai/gpt-4o-mini': 128_000,
  'openai/o3': 200_000,
  'openai/o4-mini': 200_000,
  'anthropic/claude-opus-4-8': 1_000_000,
  'anthropic/claude-opus-4-7': 1_000_000,
  'anthropic/claude-opus-4-6': 1_000_000,
  'anthropic/claude-opus-4-5': 200_000,
  'anthropic/claude-opus-4-1': 200_000,
  'anthropic/claude-sonnet-4-6': 1_000_000,
  'anthropic/claude-sonnet-4-5': 200_000,
  'anthropic/claude-haiku-4-5': 200_000,
  'google/gemini-3.5-flash': 1_048_576,
  'google/gemini-3.1-pro-preview': 1_048_576,
  'google/gemini-3.1-flash-lite-preview': 1_048_576,
  'google/gemini-3-flash-preview': 1_048_576,
  'google/gemini-2.5-pro': 1_048_576,
  'google/gemini-2.5-flash': 1_048_576,
  'google/gemini-2.5-flash-lite': 1_048_576,
};

/** The price of `provider/model`, or undefined when it is not known. Throws `invalid_argument` for what is no text. */
export const findPrice = (
  id: string,
  overrides: Readonly<Record<string, ModelPrice>> = {},
): ModelPrice | undefined => find(id, { ...modelPrices, ...overrides });

/** The size of the context window of `provider/model` in tokens, or undefined when it is not known. */
export const findContextTokens = (
  id: string,
  overrides: Readonly<Record<string, number>> = {},
): number | undefined => find(id, { ...modelContextTokens, ...overrides });

/**
 * What is known of a model. A dated name (`gpt-4o-2024-08-06`) stands for the undated one, and a model behind OpenRouter
 * for that of its vendor.
 */
function find<Value>(id: string, known: Readonly<Record<string, Value>>): Value | undefined {
  if (typeof id !== 'string')
    throw new OpspawnError('invalid_argument', 'A model is named by a text: provider/model');
  const direct = id.startsWith('openrouter/') ? vendorName(id.slice('openrouter/'.length)) : id;
  const undated = direct.replace(/-(?:latest|\d{4}-\d{2}-\d{2}|\d{8})$/, '');
  return [id, direct, undated]
    .map((name) => (Object.hasOwn(known, name) ? known[name] : undefined))
    .find((value) => value !== undefined);
}

/** OpenRouter writes `anthropic/claude-sonnet-4.6` where Anthropic writes `claude-sonnet-4-6`. */
const vendorName = (name: string): string =>
  name.startsWith('anthropic/') ? name.replaceAll('.', '-') : name;

export interface PricedTokens extends Pick<Usage, 'inputTokens' | 'cachedInputTokens' | 'outputTokens'> {
  /** Input that was written to the provider's cache. Default 0. */
  cacheWrite?: number;
}

/** The cost of one call in micro-dollars, rounded. */
export function costOf(
  { inputTokens, cachedInputTokens, outputTokens, cacheWrite = 0 }: PricedTokens,
  price: ModelPrice,
): number {
  const { longContext } = price;
  const rate = longContext !== undefined && inputTokens > longContext.aboveTokens ? longContext : price;
  const fresh = Math.max(0, inputTokens - cachedInputTokens - cacheWrite);
  const total =
    fresh * rate.inputMicroUsd +
    cachedInputTokens * (rate.cachedInputMicroUsd ?? rate.inputMicroUsd) +
    cacheWrite * (rate.cacheWriteMicroUsd ?? rate.inputMicroUsd) +
    outputTokens * rate.outputMicroUsd;
  return Math.round(total / 1_000_000);
}
