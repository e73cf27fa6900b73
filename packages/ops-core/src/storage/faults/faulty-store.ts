import { OpspawnError } from '@opspawn/agentkit/schema';
import type { Store } from '../store.ts';
import { interceptStore } from './intercept.ts';

export interface Faults {
  /** The same seed and calls give the same faults. */
  seed: number;
  /** Share of the calls that fail without having been done, 0 to 1. */
  before: number;
  /** Share of the calls that are done and reported as failed, 0 to 1. */
  after: number;
}

/** A store whose calls fail as `unavailable` now and then, before or after they were done. */
export function withFaults(store: Store, { seed, before, after }: Faults): Store {
  const random = seededRandom(seed);
  return interceptStore(store, async (method, _args, call) => {
    const drawn = random();
    if (drawn < before) throw fault(method, 'before');
    const result = await call();
    if (drawn < before + after) throw fault(method, 'after');
    return result;
  });
}

const fault = (method: string, moment: 'before' | 'after'): OpspawnError =>
  new OpspawnError('unavailable', `Injected fault ${moment} ${method}`, { details: { method, moment } });

/** Mulberry32: 32 bits of state, numbers in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
