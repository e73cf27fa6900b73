import {
  type MinuteBounds,
  memoryProviderBudget,
  OpspawnError,
  type ProviderBudget,
  type ProviderCall,
  type ProviderPermit,
} from '@opspawn/agentkit';
import { newId } from '../domain/new-id.ts';
import type {
  ProviderAnswer,
  ProviderBudgetStore,
  ProviderReport,
} from '../storage/parts/provider-budgets.ts';

export interface StoreProviderBudgetOptions {
  store: ProviderBudgetStore;
  /** By the provider's name; an operator's word in the store goes before it. */
  bounds?: Readonly<Record<string, MinuteBounds>>;
  /** On whose behalf the running code calls. */
  currentTaskId: () => string | undefined;
  onError: (error: unknown) => void;
}

/** How long what operators say is believed before it is looked up again, at the next call, in ms. */
const limitsFreshMs = 5_000;
/** A word so old is not good enough for the time of a look-up: what began at once after a rest would all go by it. */
const limitsOldMs = 10_000;
/** Whoever waits asks again after so long at the latest: others may have used less than they said. */
const longestPauseMs = 5_000;
const shortestPauseMs = 20;
/** Signs of life for calls on the way go with a report, or after so long: never more than 15 s lie between two (`callHoldMs`). */
const holdEveryMs = 5_000;
const holdWithinMs = 9_000;
/** What is over is told with the next question, or after so long. */
const settleWithinMs = 1_000;
const minuteMs = 60_000;

interface Waiter {
  readonly call: ProviderCall;
  readonly key: BoundedKey;
  readonly taskId: string | undefined;
  admit(): void;
  refuse(reason: unknown): void;
}

type BoundedKey = ProviderReport['keys'][number];

interface Ended {
  readonly id: string;
  readonly key: BoundedKey;
  readonly tokens: number;
  /** Of performance.now(), when the provider had it for certain. */
  readonly hadAt: number;
}

/**
 * One budget for all workers of a deployment: its bounds are kept in the store, what a provider refuses or tells in its
 * headers in this process. A provider that nobody bounds costs no round trip; another one costs one before each call,
 * and many calls at once share it. What is over is told without anybody waiting for it. Disposing tells the rest.
 */
export class StoreProviderBudget implements ProviderBudget, AsyncDisposable {
  readonly #options: StoreProviderBudgetOptions;
  /** What is learnt of a model here, and kept to by this process. */
  readonly #paces = memoryProviderBudget();
  readonly #waiting = new Map<string, Waiter>();
  #hasNew = false;
  readonly #open = new Map<string, BoundedKey>();
  #ended: Ended[] = [];
  #withdrawn: Pick<Ended, 'id' | 'key'>[] = [];
  #limits: Promise<ReadonlyMap<string, MinuteBounds>> | undefined;
  #limitsReadAt = Number.NEGATIVE_INFINITY;
  #reporting: Promise<unknown> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #heldAt = performance.now();

  constructor(options: StoreProviderBudgetOptions) {
    this.#options = options;
  }

  async admit(call: ProviderCall): Promise<ProviderPermit> {
    const paced = await this.#paces.admit(call);
    try {
      const key = await this.#boundsOf(call.key);
      return key === undefined ? paced : this.#permit(await this.#wait(call, key), call, key, paced);
    } catch (thrown) {
      paced.settle({});
      throw thrown;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reporting;
    if (this.#ended.length + this.#withdrawn.length > 0) await this.#report();
    clearTimeout(this.#timer);
  }

  /** undefined for a key that may send what it likes. */
  async #boundsOf(key: string): Promise<BoundedKey | undefined> {
    const provider = key.split(':', 1)[0] as string;
    const { bounds: configured = {} } = this.#options;
    const own = Object.hasOwn(configured, provider) ? configured[provider] : undefined;
    const inForce = (await this.#operatorsLimits()).get(provider) ?? own;
    const isBounded = inForce?.requestsPerMinute !== undefined || inForce?.tokensPerMinute !== undefined;
    return isBounded ? { key, provider, ...own } : undefined;
  }

  #operatorsLimits(): Promise<ReadonlyMap<string, MinuteBounds>> {
    const now = performance.now();
    const ageMs = now - this.#limitsReadAt;
    const earlier = this.#limits;
    if (earlier !== undefined && ageMs < limitsFreshMs) return earlier;
    const read = this.#options.store
      .limits()
      .then((limits) => new Map(limits.map(({ provider, ...bounds }) => [provider, bounds])))
      .catch((error: unknown) => {
        this.#options.onError(error);
        if (earlier !== undefined) return earlier;
        this.#limits = undefined;
        throw error;
      });
    this.#limitsReadAt = now;
    if (earlier === undefined || ageMs >= limitsOldMs) {
      this.#limits = read;
      return read;
    }
    // Meanwhile the earlier word is good enough.
    void read.then(() => {
      this.#limits = read;
    });
    return earlier;
  }

  /** Resolves with the call's id when it may be made. */
  #wait(call: ProviderCall, key: BoundedKey): Promise<string> {
    const { signal } = call;
    signal.throwIfAborted();
    const id = newId();
    return new Promise<string>((resolve, reject) => {
      const leave = (): void => {
        signal.removeEventListener('abort', abort);
        this.#waiting.delete(id);
      };
      const refuse = (reason: unknown): void => {
        leave();
        this.#withdrawn.push({ id, key });
        this.#reportWhenDue();
        reject(reason);
      };
      const abort = (): void => refuse(signal.reason);
      const admit = (): void => {
        leave();
        this.#open.set(id, key);
        resolve(id);
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.set(id, { call, key, taskId: this.#options.currentTaskId(), admit, refuse });
      this.#hasNew = true;
      this.#reportWhenDue();
    });
  }

  #permit(id: string, { tokens }: ProviderCall, key: BoundedKey, paced: ProviderPermit): ProviderPermit {
    let acceptedAt: number | undefined;
    return {
      accepted: (told) => {
        acceptedAt ??= performance.now();
        paced.accepted(told);
      },
      settle: (end) => {
        paced.settle(end);
        if (!this.#open.delete(id)) return;
        const used = end.tokens ?? (acceptedAt === undefined ? 0 : tokens);
        const hadAt = acceptedAt ?? performance.now();
        this.#ended.push({ id, key, tokens: Math.ceil(used), hadAt });
        this.#reportWhenDue();
      },
    };
  }

  /** One report at a time: what comes meanwhile goes with the next. */
  #reportWhenDue(pauseMs = Number.POSITIVE_INFINITY): void {
    if (this.#reporting !== undefined) return;
    const ms = Math.min(pauseMs, this.#dueInMs());
    const at = performance.now() + ms;
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => void this.#report(), ms);
    // What was not told when the process ends lapses by itself.
    this.#timer.unref();
  }

  #dueInMs(): number {
    if (this.#hasNew) return 0;
    if (this.#ended.length + this.#withdrawn.length > 0) return this.#waiting.size > 0 ? 0 : settleWithinMs;
    return this.#open.size > 0 ? holdWithinMs : Number.POSITIVE_INFINITY;
  }

  async #report(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
    const reporting = this.#exchange().catch((error: unknown) => {
      this.#options.onError(error);
      return settleWithinMs;
    });
    this.#reporting = reporting;
    const pauseMs = await reporting;
    this.#reporting = undefined;
    this.#reportWhenDue(pauseMs);
  }

  /** Gives when those who still wait should ask again, in ms. */
  async #exchange(): Promise<number> {
    const ended = this.#ended.splice(0);
    const withdrawn = this.#withdrawn.splice(0);
    const asked = [...this.#waiting];
    this.#hasNew = false;
    try {
      return this.#answer(await this.#options.store.report(this.#reportOf(asked, ended, withdrawn)));
    } catch (thrown) {
      this.#ended.unshift(...ended);
      this.#withdrawn.unshift(...withdrawn);
      // Of a store that is away nobody hears: they wait, as long as their calls may.
      const isPassing = thrown instanceof OpspawnError && thrown.code === 'unavailable';
      if (!isPassing) for (const [, waiter] of asked) waiter.refuse(thrown);
      throw thrown;
    }
  }

  #reportOf(
    asked: readonly (readonly [string, Waiter])[],
    ended: readonly Ended[],
    withdrawn: readonly Pick<Ended, 'id' | 'key'>[],
  ): ProviderReport {
    const now = performance.now();
    const held = now - this.#heldAt < holdEveryMs ? [] : [...this.#open].map(([id, key]) => ({ id, key }));
    if (held.length > 0) this.#heldAt = now;
    const spokenOf = [...asked.map(([, waiter]) => waiter), ...ended, ...withdrawn, ...held];
    return {
      keys: [...new Map(spokenOf.map(({ key }) => [key.key, key])).values()],
      asked: asked.map(([id, { call, key, taskId }]) => ({
        id,
        key: key.key,
        tokens: Math.ceil(call.tokens),
        ...(taskId === undefined ? {} : { taskId }),
      })),
      settled: ended.map(({ id, tokens, hadAt }) => ({
        id,
        tokens,
        keepMs: Math.max(0, Math.ceil(minuteMs - (now - hadAt))),
      })),
      held: held.map(({ id }) => id),
      withdrawn: withdrawn.map(({ id }) => id),
    };
  }

  #answer(answers: readonly ProviderAnswer[]): number {
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const { id, waitMs } of answers) {
      const waiter = this.#waiting.get(id);
      if (waiter === undefined) continue;
      if (waitMs === 0) waiter.admit();
      else if (waitMs > (waiter.call.maxWaitMs ?? Number.POSITIVE_INFINITY))
        waiter.refuse(usedUp(waiter.call, waitMs));
      else soonestMs = Math.min(soonestMs, longestPauseMs, Math.max(shortestPauseMs, waitMs));
    }
    return soonestMs;
  }
}

const usedUp = ({ model }: ProviderCall, waitMs: number): OpspawnError =>
  new OpspawnError('rate_limited', `The budget of the key for ${model} is used up for ${waitMs} ms`, {
    details: { model },
    retryAfterMs: waitMs,
  });
