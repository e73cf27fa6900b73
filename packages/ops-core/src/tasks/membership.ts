import { randomUUIDv7 } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../observe/log.ts';
import type { Store, WorkerInfo } from '../storage/store.ts';
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

const rejoinEveryMs = 1_000;

/** A worker's place among the workers: an identity with a lease, and a new one whenever the lease is lost. */
export class Membership implements AsyncDisposable {
  readonly #options: MembershipOptions;
  readonly #closing = new AbortController();
  #current: (Identity & { lease: AsyncDisposable }) | undefined;
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
    await this.#options.store.removeWorker(last.id);
  }

  async #join(): Promise<void> {
    const { store, worker, leaseTtlMs, leaseThread } = this.#options;
    const id = randomUUIDv7();
    const deadline = new LeaseDeadline();
    const since = process.hrtime.bigint();
    await store.registerWorker({ ...worker, id }, leaseTtlMs);
    deadline.extend(since, leaseTtlMs);
    const onLost = () => this.#lose(id);
    const lease = keepLease({ store, workerId: id, leaseTtlMs, deadline, thread: leaseThread, onLost });
    this.#current = { id, holds: () => deadline.holds(), lease };
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

  async #rejoin(lost: { id: string; lease: AsyncDisposable }): Promise<void> {
    const { store, log, onRejoined } = this.#options;
    await lost.lease[Symbol.asyncDispose]();
    while (!this.#closing.signal.aborted) {
      try {
        await store.removeWorker(lost.id);
        await this.#join();
        return onRejoined();
      } catch (err) {
        log.warn({ err }, 'the worker could not register');
        await sleep(rejoinEveryMs, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {});
      }
    }
  }
}
