/**
 * Puts virtual time and seeded chance in the place of Node's, so that our real code runs in a simulation as it is. What
 * is not replaced is not used by what is simulated: the test that runs a seed twice would show it.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';
import { useIds } from '../../packages/ops-core/src/domain/new-id.ts';
import type { Event } from './event-queue.ts';
import type { VirtualTime } from './virtual-time.ts';

type Callback = (...args: unknown[]) => void;
type Owner = Record<string, unknown>;

class VirtualTimer {
  event: Event;

  constructor(event: Event) {
    this.event = event;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }

  [Symbol.dispose](): void {
    this.event.isCancelled = true;
  }
}

/** Until it is disposed. */
export function replaceGlobals(time: VirtualTime): Disposable {
  const stack = new DisposableStack();
  replaceAll(stack, globalThis as unknown as Owner, timers(time));
  replaceAll(stack, Date as unknown as Owner, { now: () => time.wallClock() });
  replaceAll(stack, Math as unknown as Owner, { random: time.random.next });
  replaceAll(stack, performance as unknown as Owner, { now: () => time.now });
  replaceAll(stack, process.hrtime as unknown as Owner, {
    bigint: () => BigInt(Math.floor(time.now * 1_000_000)),
  });
  replaceAll(stack, crypto as unknown as Owner, uuids(time));
  replaceAll(stack, timersPromises as unknown as Owner, {
    setTimeout: sleep,
    setImmediate: (value: unknown, options?: SleepOptions) => sleep(0, value, options),
  });
  useIds(() => time.current.ids);
  syncBuiltinESMExports();
  stack.defer(syncBuiltinESMExports);
  return stack;
}

function replaceAll(stack: DisposableStack, owner: Owner, replacements: Owner): void {
  for (const [name, replacement] of Object.entries(replacements)) {
    const real = owner[name];
    owner[name] = replacement;
    stack.defer(() => {
      owner[name] = real;
    });
  }
}

function timers(time: VirtualTime): Owner {
  const setTimer = (callback: Callback, delayMs = 0, ...args: unknown[]): VirtualTimer =>
    new VirtualTimer(time.later(Math.max(1, Math.trunc(delayMs) || 1), () => callback(...args)));
  const clear = (timer: VirtualTimer | undefined | null): void => timer?.[Symbol.dispose]();
  return {
    setTimeout: setTimer,
    setImmediate: (callback: Callback, ...args: unknown[]) =>
      new VirtualTimer(time.later(0, () => callback(...args))),
    setInterval(callback: Callback, delayMs: number, ...args: unknown[]): VirtualTimer {
      const beat = (): void => {
        timer.event = time.later(delayMs, beat);
        callback(...args);
      };
      const timer = new VirtualTimer(time.later(delayMs, beat));
      return timer;
    },
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate: clear,
  };
}

interface SleepOptions {
  signal?: AbortSignal;
}

function sleep(delayMs: number, value?: unknown, { signal }: SleepOptions = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(new DOMException('The operation was aborted', 'AbortError'));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve(value);
    }, delayMs);
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}

function uuids(time: VirtualTime): Owner {
  const { random } = time;
  return {
    randomUUID: () =>
      `${random.hex(8)}-${random.hex(4)}-4${random.hex(3)}-a${random.hex(3)}-${random.hex(12)}`,
    randomUUIDv7() {
      const ms = time.wallClock().toString(16).padStart(12, '0');
      return `${ms.slice(0, 8)}-${ms.slice(8)}-7${random.hex(3)}-a${random.hex(3)}-${random.hex(12)}`;
    },
  };
}
