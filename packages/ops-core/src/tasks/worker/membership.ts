import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '../../domain/new-id.ts';
import type { Log } from '../../observe/log.ts';
import type { Store, WorkerInfo } from '../../storage/store.ts';
import { keepLease, LeaseDeadline, type LeaseThread } from './lease.ts';

interface MembershipOptions {
  store: Store;
  worker: Omit<WorkerInfo, 'id'>;
  leaseTtlMs: number;
  leaseThread: LeaseThread | undefined;
  log: Log;
  /** The identity is void: nothing that it owns can be written any more. */
  onLost: () => void;
  /** There is a new identity. */
  onRejoined: () => void;
}

/** One identity of a worker. Its id is never used again once its lease is lost. */
export interface Identity {
  readonly id: string;
  /** Whether the lease surely holds now. */
  holds(): boolean;
}

interface Held extends Identity {
  readonly lease: AsyncDisposable;
  /** `performance.now()` */
  readonly joinedAt: number;
}

const rejoinEveryMs = 1_000;

/** A worker's place among the workers: an identity with a lease, and a new one whenever the lease is lost. */
export class Membership implements AsyncDisposable {
  readonly #options: MembershipOptions;
  readonly #closing = new AbortController();
  #current: Held | undefined;
  #rejoining: Promise<void> | undefined;

  private constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** Throws `unavailable`. */
  static async join(options: MembershipOptions): Promise<Membership> {
    const membership = new Membership(options);
    await membership.#join();
    return membership;
  }

  /** undefined between the loss of a lease and the next one. */
  get current(): Identity | undefined {
    return this.#current;
  }

  /** Leaves: what is still held is made ready for others. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#rejoining;
    const last = this.#current;
    this.#current = undefined;
    if (last === undefined) return;
    await last.lease[Symbol.asyncDispose]();
    const { store, log } = this.#options;
    await store
      .removeWorker(last.id)
      .catch((err: unknown) =>
        log.warn({ err }, 'the worker left without a word: its tasks wait for the sweep'),
      );
  }

  async #join(): Promise<void> {
    const { store, worker, leaseTtlMs, leaseThread } = this.#options;
    const id = newId();
    const deadline = new LeaseDeadline();
    const since = process.hrtime.bigint();
    await store.registerWorker({ ...worker, id }, leaseTtlMs);
    deadline.extend(since, leaseTtlMs);
    const onLost = () => this.#lose(id);
    const lease = keepLease({ store, workerId: id, leaseTtlMs, deadline, thread: leaseThread, onLost });
    this.#current = { id, holds: () => deadline.holds(), lease, joinedAt: performance.now() };
  }

  #lose(id: string): void {
    const lost = this.#current;
    if (lost?.id !== id || this.#closing.signal.aborted) return;
    const { log, onLost } = this.#options;
    log.error({ workerId: id }, 'the lease was lost: this worker stops what it runs and begins anew');
    this.#current = undefined;
    onLost();
    this.#rejoining = this.#rejoin(lost);
  }

  async #rejoin(lost: Held): Promise<void> {
    const { store, log, onRejoined } = this.#options;
    await lost.lease[Symbol.asyncDispose]();
    const { signal } = this.#closing;
    // What took the lease at once may take the next one as well.
    const pauseMs = performance.now() - lost.joinedAt < rejoinEveryMs ? rejoinEveryMs : 0;
    for (let delayMs = pauseMs; ; delayMs = rejoinEveryMs) {
      if (delayMs > 0) await sleep(delayMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        await store.removeWorker(lost.id);
        await this.#join();
        return onRejoined();
      } catch (err) {
        log.warn({ err }, 'the worker could not register');
      }
    }
  }
}
