import assert from 'node:assert/strict';
import { test } from 'node:test';
import { costOf, findContextTokens, findPrice, modelContextTokens, modelPrices } from './prices.ts';
import { builtInProviders } from './providers.ts';

test('a price is found by the name, by a dated name, and through OpenRouter', () => {
  const price = modelPrices['anthropic/claude-haiku-4-5'];
  for (const id of [
    'anthropic/claude-haiku-4-5',
    'anthropic/claude-haiku-4-5-20251001',
    'anthropic/claude-haiku-4-5-latest',
    'openrouter/anthropic/claude-haiku-4.5',
  ]) {
    assert.equal(findPrice(id), price, id);
  }
  assert.equal(findPrice('openai/gpt-4o-2024-08-06'), modelPrices['openai/gpt-4o']);
});

test('an unknown model has no price, and a free one behind OpenRouter not that of its vendor', () => {
  for (const id of [
    'openai/gpt-99',
    'compatible/gpt-4o',
    'openrouter/openai/gpt-4o:free',
    'constructor',
    '',
  ]) {
    assert.equal(findPrice(id), undefined, id);
  }
});

test("a price of one's own goes before the table", () => {
  const own = { inputMicroUsd: 1, outputMicroUsd: 2 };
  assert.equal(findPrice('openai/gpt-4o', { 'openai/gpt-4o': own }), own);
  assert.equal(findPrice('openrouter/openai/gpt-4o', { 'openrouter/openai/gpt-4o': own }), own);
  assert.equal(findPrice('compatible/llama', { 'compatible/llama': own }), own);
});

test('every default model has a price', () => {
  for (const [provider, { defaultModel }] of Object.entries(builtInProviders)) {
    if (defaultModel !== undefined) assert.ok(findPrice(`${provider}/${defaultModel}`), provider);
  }
});

test('what is no name of a model is refused', () => {
  for (const id of [undefined, 5, null]) {
    assert.throws(() => findPrice(id as never), { code: 'invalid_argument' });
    assert.throws(() => findContextTokens(id as never), { code: 'invalid_argument' });
  }
});

test('every model with a price has a context window, found by the same names and overridden likewise', () => {
  assert.deepEqual(Object.keys(modelContextTokens).sort(), Object.keys(modelPrices).sort());
  assert.equal(findContextTokens('openrouter/anthropic/claude-haiku-4.5'), 200_000);
  assert.equal(findContextTokens('compatible/llama'), undefined);
  assert.equal(findContextTokens('compatible/llama', { 'compatible/llama': 8_192 }), 8_192);
});

test('cost counts fresh, cached and written input and output, each at its rate', () => {
  const price = {
    inputMicroUsd: 4_000_000,
    cachedInputMicroUsd: 400_000,
    cacheWriteMicroUsd: 5_000_000,
    outputMicroUsd: 20_000_000,
  };
  const tokens = { inputTokens: 1_000, cachedInputTokens: 500, cacheWrite: 100, outputTokens: 10 };
  assert.equal(costOf(tokens, price), 400 * 4 + 500 * 0.4 + 100 * 5 + 10 * 20);
  const { inputMicroUsd, outputMicroUsd } = price;
  assert.equal(costOf(tokens, { inputMicroUsd, outputMicroUsd }), 1_000 * 4 + 10 * 20);
});

test('a call with more input than the threshold costs the higher rate as a whole', () => {
  const price = {
    inputMicroUsd: 1_000_000,
    outputMicroUsd: 1_000_000,
    longContext: { aboveTokens: 100, inputMicroUsd: 2_000_000, outputMicroUsd: 3_000_000 },
  };
  assert.equal(costOf({ inputTokens: 100, cachedInputTokens: 0, outputTokens: 10 }, price), 110);
  assert.equal(costOf({ inputTokens: 101, cachedInputTokens: 0, outputTokens: 10 }, price), 232);
});
