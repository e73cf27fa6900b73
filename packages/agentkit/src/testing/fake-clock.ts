import { setImmediate as turn } from 'node:timers/promises';
import { z } from 'zod';
import { checkOptions } from '../check-options.ts';
import type { Clock } from '../clock.ts';

export interface FakeClock extends Clock {
  /** Moves the time on and fires what is due on the way, oldest first. */
  advance(ms: number): void;
  /** Waits for the promise; whenever nothing happens any more, the time jumps to the next timer. */
  drive<T>(promise: Promise<T>): Promise<T>;
}

interface Timer {
  at: number;
  fire: () => void;
}

/** Turns of the event loop without a result after which nothing but a timer can go on. */
const idleTurns = 5;

/** A clock that stands still until a test moves it. `startsAt` is Unix time in ms, by default 2026-01-01. */
export function fakeClock(startsAt = Date.UTC(2026, 0, 1)): FakeClock {
  checkOptions('The time of the clock, in ms,', z.number(), startsAt);
  let now = startsAt;
  const timers = new Set<Timer>();
  const next = (): Timer | undefined => [...timers].sort((a, b) => a.at - b.at)[0];
  const fireUntil = (until: number): void => {
    for (let timer = next(); timer !== undefined && timer.at <= until; timer = next()) {
      timers.delete(timer);
      now = Math.max(now, timer.at);
      timer.fire();
    }
    now = Math.max(now, until);
  };
  return {
    now: () => now,
    after(delayMs, fire) {
      const timer = { at: now + delayMs, fire };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance: (ms) => fireUntil(now + ms),
    async drive(promise) {
      let isSettled = false;
      const settle = (): void => {
        isSettled = true;
      };
      promise.then(settle, settle);
      while (!isSettled) {
        for (let waited = 0; waited < idleTurns && !isSettled; waited += 1) await turn();
        const timer = next();
        if (!isSettled && timer !== undefined) fireUntil(timer.at);
      }
      return promise;
    },
  };
}
