/**
 * How a worker shares its capacity: between namespaces, and in each between its queues, by weight. What is shared is
 * time in its slots. Start-time fair queueing (Goyal, Vin, Cheng 1996) over two levels: each share has a virtual time to
 * which it has been served, and who is behind goes first. A start is charged with what tasks of that share took lately,
 * since the claimer has to choose before it knows; what an attempt takes beyond that is charged as it goes by, and the
 * rest is set right at its end. Who had nothing to do gets no credit for it.
 */
import type { Share, Shares } from '../../storage/claim-request.ts';
import type { ClaimedTask } from '../../storage/store.ts';
import { SlotMap } from './slot-map.ts';

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

  /** Charges `counts` of starts at once. Gives what each start of a name was charged. */
  start(counts: ReadonlyMap<string, number>, now: number): Map<string, number> {
    const before = this.#now;
    const charges = new Map<string, number>();
    for (const [name, count] of counts) {
      const account = this.#account(name);
      const weight = this.#weightOf(name);
      const reached = account.reached(now, weight);
      const from = Math.max(reached, before);
      const step = account.expectedMs / weight;
      account.servedTo += from - reached + count * step;
      account.running += count;
      account.startedAt += count * now;
      account.chargedMs += count * account.expectedMs;
      this.#now = Math.max(this.#now, from + (count - 1) * step);
      charges.set(name, account.expectedMs);
    }
    return charges;
  }

  end(
    name: string,
    { startedAt, chargedMs, tookMs }: { startedAt: number; chargedMs: number; tookMs: number },
  ) {
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

interface Charge {
  readonly startedAt: number;
  readonly ofNamespaceMs: number;
  readonly ofQueueMs: number;
}

type Started = Pick<ClaimedTask, 'taskId' | 'attempt' | 'namespace' | 'queue'>;

export class FairShare {
  readonly #weights: Weights;
  readonly #namespaces: Level;
  readonly #queues = new Map<string, Level>();
  readonly #charges = new SlotMap<Charge>();

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

  /** A claim brought these. */
  started(tasks: readonly Started[], now: number): void {
    const byNamespace = Map.groupBy(tasks, ({ namespace }) => namespace);
    const charges = this.#namespaces.start(countsOf(byNamespace), now);
    for (const [namespace, its] of byNamespace) {
      const ofNamespaceMs = charges.get(namespace) ?? 0;
      const byQueue = Map.groupBy(its, ({ queue }) => queue);
      const ofQueues = this.#level(namespace).start(countsOf(byQueue), now);
      for (const task of its) {
        const ofQueueMs = ofQueues.get(task.queue) ?? 0;
        this.#charges.set(keyOf(task), { startedAt: now, ofNamespaceMs, ofQueueMs });
      }
    }
  }

  /** It gives its slot back. */
  ended(task: Started, now: number): void {
    const charge = this.#charges.get(keyOf(task));
    if (charge === undefined) return;
    this.#charges.delete(keyOf(task));
    const { startedAt, ofNamespaceMs, ofQueueMs } = charge;
    const tookMs = Math.max(leastMs, now - startedAt);
    this.#namespaces.end(task.namespace, { startedAt, chargedMs: ofNamespaceMs, tookMs });
    this.#level(task.namespace).end(task.queue, { startedAt, chargedMs: ofQueueMs, tookMs });
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

const keyOf = ({ taskId, attempt }: Started): string => `${taskId} ${attempt}`;

const countsOf = (groups: ReadonlyMap<string, readonly Started[]>): Map<string, number> =>
  new Map([...groups].map(([name, { length }]) => [name, length]));
