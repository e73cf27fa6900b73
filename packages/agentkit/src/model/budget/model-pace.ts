import type { ProviderRefusal, ToldBound, ToldBounds } from './provider-budget.ts';

/** Without a word of the provider's: doubled with every refusal in a row. */
const firstPauseMs = 1_000;
const longestPauseMs = 60_000;
/** With so many at once a refused model counts as recovered. */
const recoveredAt = 64;
const minuteMs = 60_000;
/** A provider that says it is to be left alone for longer is asked again after so long all the same: it may be mistaken. */
const longestToldMs = 3_600_000;

/** What is left of a bound, and how it comes back. */
interface Left {
  amount: number;
  limit: number | undefined;
  at: number;
  perMs: number;
}

/**
 * What was learned of one model behind a key. After a refusal nothing is sent for as long as the provider said; then one
 * call, and twice as many at once after each that is taken: a queue let loose at once would be refused again.
 */
export class ModelPace {
  #refusals = 0;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  /** How many may be on the way and not yet taken. */
  #atOnce = Number.POSITIVE_INFINITY;
  #unanswered = 0;
  #requests: Left | undefined;
  #tokens: Left | undefined;

  /** How long until a call of so many tokens may be made, in ms; 0 = now, undefined = once one that is on the way was answered. */
  waitMs(now: number, tokens: number): number | undefined {
    const waitMs = Math.max(
      0,
      this.#pausedUntil - now,
      untilThereMs(this.#requests, 1, now),
      untilThereMs(this.#tokens, tokens, now),
    );
    return waitMs === 0 && this.#unanswered >= this.#atOnce ? undefined : waitMs;
  }

  sent(tokens: number): void {
    this.#unanswered += 1;
    if (this.#requests) this.#requests.amount -= 1;
    if (this.#tokens) this.#tokens.amount -= tokens;
  }

  accepted(now: number, { requests, tokens }: ToldBounds): void {
    this.#unanswered -= 1;
    this.#refusals = 0;
    this.#atOnce = this.#atOnce * 2 >= recoveredAt ? Number.POSITIVE_INFINITY : this.#atOnce * 2;
    // Those still on the way may not be counted in what was told.
    if (requests) this.#requests = leftOf(requests, now, this.#unanswered);
    if (tokens) this.#tokens = leftOf(tokens, now, 0);
  }

  /** A call ended that was never taken. */
  failed(): void {
    this.#unanswered -= 1;
  }

  refused(now: number, { retryAfterMs }: ProviderRefusal): void {
    // Those that were on the way together are refused together, which counts once.
    if (now >= this.#pausedUntil) this.#refusals += 1;
    this.#atOnce = 1;
    const ownMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (this.#refusals - 1));
    const pauseMs = Math.min(retryAfterMs ?? ownMs, longestToldMs);
    this.#pausedUntil = Math.max(this.#pausedUntil, now + pauseMs);
  }
}

/** Providers refill steadily: what was used comes back over the time until all is there. */
function leftOf({ remaining, limit, resetsInMs }: ToldBound, at: number, onTheWay: number): Left {
  const used = limit === undefined ? 1 : limit - remaining;
  const perMs = used > 0 ? used / Math.min(resetsInMs, longestToldMs) : (limit ?? 1) / minuteMs;
  return { amount: remaining - onTheWay, limit, at, perMs };
}

function untilThereMs(left: Left | undefined, asked: number, now: number): number {
  if (left === undefined) return 0;
  const { amount, limit = asked, at, perMs } = left;
  const missing = Math.min(asked, limit) - amount;
  return missing <= 0 ? 0 : at + Math.ceil(missing / perMs) - now;
}
