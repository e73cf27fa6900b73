/**
 * How a worker shares its capacity: between namespaces, and in each between its queues, by weight. What is shared is
 * time in its slots. Start-time fair queueing (Goyal, Vin, Cheng 1996) over two levels: each share has a virtual time to
 * which it has been served, and who is behind goes first. A start is charged with what tasks of that share took lately,
 * since the claimer has to choose before it knows; what an attempt takes beyond that is charged as it goes by, and the
 * rest is set right at its end. Who had nothing to do gets no credit for it.
 */
import type { Share, Shares } from '../../storage/claim-request.ts';
import type { ClaimedTask } from '../../storage/store.ts';

export interface Weights {
  namespace(namespace: string): number;
  queue(namespace: string, queue: string): number;
  /** Those whose weight is not 1, with such queues of theirs. */
  said(): Iterable<readonly [namespace: string, queues: readonly string[]]>;
}

/** An attempt is charged at least so much, in ms: a start is never free. */
const leastMs = 1;
/** How much the latest attempt counts for what the next one is expected to take. */
const newest = 0.1;
/** Beyond so many, shares are forgotten that are neither in use nor ahead. */
const mostRemembered = 200;

class Account {
  /** Virtual ms to which it has been served, with all charges. */
  servedTo = 0;
  expectedMs: number;
  running = 0;
  /** Sums over what is running: when it started (ms), and what it was charged. */
  startedAt = 0;
  chargedMs = 0;

  constructor(expectedMs: number) {
    this.expectedMs = expectedMs;
  }

  /** With what running attempts take beyond their charges. */
  reached(now: number, weight: number): number {
    const beyondMs = this.running * now - this.startedAt - this.chargedMs;
    return this.servedTo + Math.max(0, beyondMs) / weight;
  }
}

/** Shares beside each other. */
class Level {
  readonly #weightOf: (name: string) => number;
  readonly #accounts = new Map<string, Account>();
  /** Virtual ms: where the latest start was. */
  #now = 0;
  expectedMs = leastMs;

  constructor(weightOf: (name: string) => number) {
    this.#weightOf = weightOf;
  }

  get isIdle(): boolean {
    return this.#accounts.values().every(({ running }) => running === 0);
  }

  names(): Iterable<string> {
    return this.#accounts.keys();
  }

  share(name: string, now: number): Share {
    const account = this.#accounts.get(name);
    const weight = this.#weightOf(name);
    const lag = account === undefined ? 0 : Math.max(0, account.reached(now, weight) - this.#now);
    return { lag, step: (account?.expectedMs ?? this.expectedMs) / weight };
  }

  /** Where the latest start was. */
  get servedTo(): number {
    return this.#now;
  }

  /** Gives what the start was charged. `before`: `servedTo` when it was chosen. */
  start(name: string, now: number, before: number): number {
    const account = this.#account(name);
    const weight = this.#weightOf(name);
    const reached = account.reached(now, weight);
    const from = Math.max(reached, before);
    account.servedTo += from - reached + account.expectedMs / weight;
    account.running += 1;
    account.startedAt += now;
    account.chargedMs += account.expectedMs;
    this.#now = Math.max(this.#now, from);
    return account.expectedMs;
  }

  end(name: string, startedAt: number, chargedMs: number, tookMs: number): void {
    const account = this.#account(name);
    account.running -= 1;
    // Sums of many fractions drift.
    account.startedAt = account.running === 0 ? 0 : account.startedAt - startedAt;
    account.chargedMs = account.running === 0 ? 0 : account.chargedMs - chargedMs;
    account.servedTo += (tookMs - chargedMs) / this.#weightOf(name);
    account.expectedMs += newest * (tookMs - account.expectedMs);
    this.expectedMs += newest * (tookMs - this.expectedMs);
  }

  #account(name: string): Account {
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    if (this.#accounts.size >= mostRemembered) this.#forget();
    const account = new Account(this.expectedMs);
    this.#accounts.set(name, account);
    return account;
  }

  #forget(): void {
    for (const [name, { running, servedTo }] of this.#accounts)
      if (running === 0 && servedTo <= this.#now) this.#accounts.delete(name);
  }
}

/** What an attempt was charged at its start, to be set right at its end. */
export interface Charge {
  readonly startedAt: number;
  readonly ofNamespaceMs: number;
  readonly ofQueueMs: number;
}

type Started = Pick<ClaimedTask, 'namespace' | 'queue'>;

export class FairShare {
  readonly #weights: Weights;
  readonly #namespaces: Level;
  readonly #queues = new Map<string, Level>();

  constructor(weights: Weights) {
    this.#weights = weights;
    this.#namespaces = new Level((namespace) => weights.namespace(namespace));
  }

  /** How the shares stand at `now` (ms of a monotonic clock). */
  shares(now: number): Shares {
    const names = new Set(this.#namespaces.names());
    const said = new Map(this.#weights.said());
    for (const name of said.keys()) names.add(name);
    const namespaces = [...names].map((namespace) => {
      const level = this.#level(namespace);
      const queues = [...this.#queuesOf(namespace, said)].map(
        (queue) => [queue, level.share(queue, now)] as const,
      );
      const share = this.#namespaces.share(namespace, now);
      return [namespace, { ...share, queues: Object.fromEntries(queues) }] as const;
    });
    return { step: this.#namespaces.expectedMs, namespaces: Object.fromEntries(namespaces) };
  }

  started({ namespace, queue }: Started, now: number): Charge {
    const level = this.#level(namespace);
    return {
      startedAt: now,
      ofNamespaceMs: this.#namespaces.start(namespace, now, this.#namespaces.servedTo),
      ofQueueMs: level.start(queue, now, level.servedTo),
    };
  }

  /** One claim brought these: they come by urgency, and none is behind because of another that came with it. */
  startedTogether(tasks: readonly Started[], now: number): Charge[] {
    const before = new Map<Level, number>([[this.#namespaces, this.#namespaces.servedTo]]);
    const start = (level: Level, name: string): number => {
      const from = before.get(level) ?? level.servedTo;
      before.set(level, from);
      return level.start(name, now, from);
    };
    return tasks.map(({ namespace, queue }) => ({
      startedAt: now,
      ofNamespaceMs: start(this.#namespaces, namespace),
      ofQueueMs: start(this.#level(namespace), queue),
    }));
  }

  /** It gives its slot back. */
  ended({ namespace, queue }: Started, { startedAt, ofNamespaceMs, ofQueueMs }: Charge, now: number): void {
    const tookMs = Math.max(leastMs, now - startedAt);
    this.#namespaces.end(namespace, startedAt, ofNamespaceMs, tookMs);
    this.#level(namespace).end(queue, startedAt, ofQueueMs, tookMs);
  }

  #queuesOf(namespace: string, said: ReadonlyMap<string, readonly string[]>): Set<string> {
    return new Set([...(this.#queues.get(namespace)?.names() ?? []), ...(said.get(namespace) ?? [])]);
  }

  #level(namespace: string): Level {
    const known = this.#queues.get(namespace);
    if (known !== undefined) return known;
    if (this.#queues.size >= mostRemembered)
      for (const [name, { isIdle }] of this.#queues) if (isIdle) this.#queues.delete(name);
    const level = new Level((queue) => this.#weights.queue(namespace, queue));
    this.#queues.set(namespace, level);
    return level;
  }
}
