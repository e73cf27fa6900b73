import { z } from 'zod';
import { checkOptions, count, having } from '../../check-options.ts';
import { type Clock, systemClock } from '../../clock.ts';
import { OpspawnError } from '../../errors.ts';
import { type MinuteBounds, MinuteWindow } from './minute-window.ts';
import { ModelPace } from './model-pace.ts';
import type { ProviderBudget, ProviderCall, ProviderPermit } from './provider-budget.ts';

export interface MemoryProviderBudgetOptions {
  /** What each key of a provider may send, by the provider's name. Default: what providers say and refuse is all that bounds it. */
  bounds?: Readonly<Record<string, MinuteBounds>>;
  clock?: Clock;
}

const optionsSchema = z.strictObject({
  bounds: z
    .record(
      z.string(),
      z.strictObject({
        requestsPerMinute: count.optional(),
        tokensPerMinute: count.optional(),
      } satisfies Record<keyof MinuteBounds, z.ZodType>),
    )
    .optional(),
  clock: having<Clock>('now', 'after').optional(),
} satisfies Record<keyof MemoryProviderBudgetOptions, z.ZodType>);

/**
 * A budget of this process. It keeps to the given bounds, to those that providers tell in their headers, and to their
 * refusals, each for the key, or for the model of the key, that it was about. Throws `config_invalid`.
 */
export function memoryProviderBudget(options: MemoryProviderBudgetOptions = {}): ProviderBudget {
  checkOptions('The budget', optionsSchema, options);
  const { bounds = {}, clock = systemClock } = options;
  const queues = new Map<string, KeyQueue>();
  return {
    async admit(call) {
      const provider = call.key.split(':', 1)[0] as string;
      const own = Object.hasOwn(bounds, provider) ? bounds[provider] : undefined;
      const queue = queues.get(call.key) ?? new KeyQueue(own ?? {}, clock);
      queues.set(call.key, queue);
      return await queue.admit(call);
    },
  };
}

let shared: ProviderBudget | undefined;

/** The one that all runs of this process share unless they are given another: a key has one limit, whoever holds it. */
export function processProviderBudget(): ProviderBudget {
  shared ??= memoryProviderBudget();
  return shared;
}

interface Waiter {
  readonly call: ProviderCall;
  admit(): void;
  refuse(reason: unknown): void;
}

/** The calls that wait for one key, in the order in which they came. */
class KeyQueue {
  readonly #window: MinuteWindow;
  readonly #clock: Clock;
  readonly #paces = new Map<string, ModelPace>();
  readonly #waiting = new Set<Waiter>();
  #disarm: (() => void) | undefined;

  constructor(bounds: MinuteBounds, clock: Clock) {
    this.#window = new MinuteWindow(bounds);
    this.#clock = clock;
  }

  async admit(call: ProviderCall): Promise<ProviderPermit> {
    const { signal } = call;
    signal.throwIfAborted();
    if (this.#waiting.size === 0 && this.#waitMs(call, this.#clock.now()) === 0) return this.#send(call);
    return await new Promise<ProviderPermit>((resolve, reject) => {
      const leave = (): void => {
        signal.removeEventListener('abort', abort);
        this.#waiting.delete(waiter);
      };
      const waiter: Waiter = {
        call,
        admit: () => {
          leave();
          resolve(this.#send(call));
        },
        refuse: (reason) => {
          leave();
          reject(reason);
        },
      };
      const abort = (): void => {
        waiter.refuse(signal.reason);
        this.#serve();
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.add(waiter);
      this.#serve();
    });
  }

  /** Lets through what may go. Nobody overtakes, except calls of another model where only the one before is held back. */
  #serve(): void {
    this.#disarm?.();
    const now = this.#clock.now();
    let soonestMs = Number.POSITIVE_INFINITY;
    let keyWaitMs = 0;
    const heldBack = new Map<string, number | undefined>();
    for (const waiter of this.#waiting) {
      const { model, tokens, maxWaitMs = Infinity, maxRetryAfterMs = Infinity } = waiter.call;
      const ownWaitMs = heldBack.has(model) ? heldBack.get(model) : this.#pace(model).waitMs(now, tokens);
      keyWaitMs ||= this.#window.waitMs(now, tokens);
      const waitMs = Math.max(keyWaitMs, ownWaitMs ?? 0);
      if (waitMs > maxWaitMs || (ownWaitMs ?? 0) > maxRetryAfterMs) {
        waiter.refuse(usedUp(waiter.call, waitMs));
      } else if (waitMs === 0 && ownWaitMs === 0 && !heldBack.has(model)) {
        waiter.admit();
      } else {
        heldBack.set(model, ownWaitMs);
        if (ownWaitMs !== undefined) soonestMs = Math.min(soonestMs, waitMs);
      }
    }
    this.#disarm = Number.isFinite(soonestMs)
      ? this.#clock.after(Math.max(1, soonestMs), () => this.#serve())
      : undefined;
  }

  #waitMs({ model, tokens }: ProviderCall, now: number): number | undefined {
    const ownWaitMs = this.#pace(model).waitMs(now, tokens);
    return ownWaitMs === undefined ? undefined : Math.max(ownWaitMs, this.#window.waitMs(now, tokens));
  }

  #send({ model, tokens }: ProviderCall): ProviderPermit {
    const pace = this.#pace(model);
    pace.sent(tokens);
    const correct = this.#window.add(this.#clock.now(), tokens);
    let isAccepted = false;
    let isSettled = false;
    return {
      accepted: (told) => {
        if (isAccepted || isSettled) return;
        isAccepted = true;
        pace.accepted(this.#clock.now(), told);
        this.#serve();
      },
      settle: ({ tokens: used = isAccepted ? tokens : 0, refused }) => {
        if (isSettled) return;
        isSettled = true;
        correct(used);
        if (!isAccepted) pace.failed();
        if (refused !== undefined) pace.refused(this.#clock.now(), refused);
        this.#serve();
      },
    };
  }

  #pace(model: string): ModelPace {
    const pace = this.#paces.get(model) ?? new ModelPace();
    this.#paces.set(model, pace);
    return pace;
  }
}

const usedUp = ({ model }: ProviderCall, waitMs: number): OpspawnError =>
  new OpspawnError('rate_limited', `The budget of the key for ${model} is used up for ${waitMs} ms`, {
    details: { model },
    retryAfterMs: waitMs,
  });
