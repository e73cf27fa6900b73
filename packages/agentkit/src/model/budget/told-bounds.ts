import type { ToldBound, ToldBounds } from './provider-budget.ts';

type Headers = Readonly<Record<string, string>> | undefined;

/**
 * The bounds that a provider told with an answer: `x-ratelimit-…-requests` and `-tokens` (OpenAI and most that are
 * compatible), `anthropic-ratelimit-…`, or `x-ratelimit-…` alone (OpenRouter: requests). Gemini tells none. What cannot be
 * read is left out.
 */
export function toldBounds(headers: Headers, now = Date.now()): ToldBounds {
  const requests =
    bound(headers, (what) => `x-ratelimit-${what}-requests`, now) ??
    bound(headers, (what) => `anthropic-ratelimit-requests-${what}`, now) ??
    bound(headers, (what) => `x-ratelimit-${what}`, now);
  const tokens =
    bound(headers, (what) => `x-ratelimit-${what}-tokens`, now) ??
    bound(headers, (what) => `anthropic-ratelimit-tokens-${what}`, now);
  return { ...(requests && { requests }), ...(tokens && { tokens }) };
}

function bound(headers: Headers, name: (what: string) => string, now: number): ToldBound | undefined {
  const remaining = count(headers?.[name('remaining')]);
  const resetsInMs = readReset(headers?.[name('reset')], now);
  if (remaining === undefined || resetsInMs === undefined) return undefined;
  const limit = count(headers?.[name('limit')]);
  return { remaining, resetsInMs, ...(limit !== undefined && { limit }) };
}

const count = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d+(\.\d+)?$/.test(text.trim()) ? Math.floor(Number(text)) : undefined;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Larger numbers are instants: seconds since 1970 pass it, and no reset is so far away. */
const longestSeconds = 100_000_000;

/** `6m0.5s` (Go), seconds, an instant in Unix seconds or ms, or a date (RFC 3339), as ms from now; never negative. */
export function readReset(text: string | undefined, now: number): number | undefined {
  const value = text?.trim() ?? '';
  if (/^(\d+(\.\d+)?(ms|[smhd]))+$/.test(value)) {
    const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)];
    return Math.ceil(
      parts.reduce((sum, [, number, unit = 's']) => sum + Number(number) * (unitMs[unit] ?? 0), 0),
    );
  }
  if (/^\d+(\.\d+)?$/.test(value)) {
    const number = Number(value);
    if (number < longestSeconds) return Math.ceil(number * 1_000);
    return Math.max(0, (number < longestSeconds * 1_000 ? number * 1_000 : number) - now);
  }
  const at = /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
