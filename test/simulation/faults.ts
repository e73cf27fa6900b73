import type { Random } from './random.ts';

/** What may go wrong in one run: each seed has its own mixture, and some have none of a kind. */
export interface FaultMix {
  /** Virtual ms from the beginning to the last fault. */
  readonly untilMs: number;
  /** Longest way of a call to the database, or of its answer, in ms: mostly it is far less. */
  readonly latencyMs: number;
  /** Now and then a call or an answer takes so long, in ms. */
  readonly rareLatencyMs: number;
  /** Shares of the calls. */
  readonly failBefore: number;
  readonly failAfter: number;
  /** Share of doorbells and live messages that are lost. */
  readonly lostMessages: number;
  /** How often each comes in a run. */
  readonly kills: number;
  readonly stops: number;
  readonly terminations: number;
  readonly outages: number;
  readonly clockJumps: number;
  /** Share of the writes of a task's owner after whose commit it dies or stands still, before it hears of it. */
  readonly strikesAtCommit: number;
}

export function drawFaults(random: Random): FaultMix {
  const some = (max: number): number => (random.chance(0.5) ? random.between(1, max) : 0);
  return {
    untilMs: random.pick([8_000, 15_000, 25_000]),
    latencyMs: random.pick([2, 20, 400]),
    rareLatencyMs: random.pick([0, 2_000, 12_000]),
    failBefore: random.pick([0, 0, 0.02, 0.1]),
    failAfter: random.pick([0, 0, 0.02, 0.1]),
    lostMessages: random.pick([0, 0.3, 1]),
    kills: some(4),
    stops: some(3),
    terminations: some(2),
    outages: some(2),
    clockJumps: some(3),
    strikesAtCommit: random.pick([0, 0, 0.02, 0.1]),
  };
}
