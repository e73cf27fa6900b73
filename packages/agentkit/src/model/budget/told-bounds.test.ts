import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readReset, toldBounds } from './told-bounds.ts';

const now = Date.parse('2026-03-01T12:00:00Z');

test('the headers of OpenAI, Anthropic and OpenRouter are read, and nothing is made of others', () => {
  const openai = toldBounds({
    'x-ratelimit-limit-requests': '500',
    'x-ratelimit-remaining-requests': '499',
    'x-ratelimit-reset-requests': '120ms',
    'x-ratelimit-limit-tokens': '200000',
    'x-ratelimit-remaining-tokens': '150000',
    'x-ratelimit-reset-tokens': '1m30.5s',
  });
  assert.deepEqual(openai, {
    requests: { limit: 500, remaining: 499, resetsInMs: 120 },
    tokens: { limit: 200_000, remaining: 150_000, resetsInMs: 90_500 },
  });
  const anthropic = {
    'anthropic-ratelimit-requests-limit': '50',
    'anthropic-ratelimit-requests-remaining': '0',
    'anthropic-ratelimit-requests-reset': '2026-03-01T12:00:12Z',
    'anthropic-ratelimit-tokens-limit': '40000',
    'anthropic-ratelimit-tokens-remaining': '39000',
    'anthropic-ratelimit-tokens-reset': '2026-03-01T12:00:02Z',
  };
  assert.deepEqual(toldBounds(anthropic, now), {
    requests: { limit: 50, remaining: 0, resetsInMs: 12_000 },
    tokens: { limit: 40_000, remaining: 39_000, resetsInMs: 2_000 },
  });
  const openrouter = {
    'x-ratelimit-limit': '20',
    'x-ratelimit-remaining': '0',
    'x-ratelimit-reset': String(now + 5_000),
  };
  assert.deepEqual(toldBounds(openrouter, now), { requests: { limit: 20, remaining: 0, resetsInMs: 5_000 } });
  for (const headers of [undefined, {}, { 'x-ratelimit-remaining-requests': 'many' }])
    assert.deepEqual(toldBounds(headers, now), {});
});

test('a reset is read as a duration, as seconds and as an instant, never as less than now', () => {
  const read: [string, number | undefined][] = [
    ['6m0s', 360_000],
    ['1h2m', 3_720_000],
    ['1.5', 1_500],
    [String(now / 1_000 + 3), 3_000],
    ['2026-03-01T11:00:00Z', 0],
    ['soon', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of read) assert.equal(readReset(text, now), expected, text);
});
