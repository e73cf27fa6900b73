/** What one key may send. Absent: not bounded here. */
export interface MinuteBounds {
  requestsPerMinute?: number;
  /** Input and answers. */
  tokensPerMinute?: number;
}

interface Sent {
  readonly at: number;
  tokens: number;
}

const minuteMs = 60_000;

/** What was sent within the last minute, so that no minute, wherever it begins, holds more than the bounds. */
export class MinuteWindow {
  readonly #bounds: MinuteBounds;
  readonly #isBounded: boolean;
  #sent: Sent[] = [];
  #tokens = 0;

  constructor(bounds: MinuteBounds) {
    this.#bounds = bounds;
    this.#isBounded = bounds.requestsPerMinute !== undefined || bounds.tokensPerMinute !== undefined;
  }

  /** How long until so much more may be sent, in ms; 0 = now. What no minute could hold waits for an empty one. */
  waitMs(now: number, tokens: number): number {
    if (!this.#isBounded) return 0;
    this.#expire(now);
    const { requestsPerMinute = Infinity, tokensPerMinute = Infinity } = this.#bounds;
    let requests = this.#sent.length + 1;
    let total = this.#tokens + Math.min(tokens, tokensPerMinute);
    let waitMs = 0;
    for (const oldest of this.#sent) {
      if (requests <= requestsPerMinute && total <= tokensPerMinute) break;
      requests -= 1;
      total -= oldest.tokens;
      waitMs = oldest.at + minuteMs - now;
    }
    return waitMs;
  }

  /** Counts what is sent now. Gives what puts the right figure in place of the estimate. */
  add(now: number, tokens: number): (used: number) => void {
    if (!this.#isBounded) return () => {};
    const sent = { at: now, tokens };
    this.#sent.push(sent);
    this.#tokens += tokens;
    return (used) => {
      if (this.#sent.includes(sent)) this.#tokens += used - sent.tokens;
      sent.tokens = used;
    };
  }

  #expire(now: number): void {
    const kept = this.#sent.findIndex(({ at }) => at > now - minuteMs);
    const gone = this.#sent.splice(0, kept === -1 ? this.#sent.length : kept);
    for (const { tokens } of gone) this.#tokens -= tokens;
  }
}
