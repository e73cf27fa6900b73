/**
 * A worker's lease, kept alive from a thread of its own, so that a busy event loop does not lose it. The thread leaves
 * the time until which the lease surely holds in shared memory, where the worker reads it without asking anybody.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker as Thread } from 'node:worker_threads';
import type { DatabaseSetting } from '../../config.ts';
import type { Store } from '../../storage/store.ts';

/** Until when the lease surely holds, by the monotonic clock of this host. Shared between threads. */
export class LeaseDeadline {
  readonly #nanoseconds: BigInt64Array;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(8)) {
    this.#nanoseconds = new BigInt64Array(shared);
  }

  get shared(): SharedArrayBuffer {
    return this.#nanoseconds.buffer as SharedArrayBuffer;
  }

  /** `since` is a time of `process.hrtime.bigint()` taken before the store was asked. */
  extend(since: bigint, leaseTtlMs: number): void {
    Atomics.store(this.#nanoseconds, 0, since + BigInt(leaseTtlMs) * 1_000_000n);
  }

  holds(): boolean {
    return process.hrtime.bigint() < Atomics.load(this.#nanoseconds, 0);
  }
}

export interface RenewalOptions {
  store: Pick<Store, 'renewLease'>;
  workerId: string;
  leaseTtlMs: number;
  deadline: LeaseDeadline;
  signal: AbortSignal;
}

/** Renews three times within the lease's life until it is lost (resolves) or `signal` fires (rejects). */
export async function renewUntilLost(options: RenewalOptions): Promise<void> {
  const { store, workerId, leaseTtlMs, deadline, signal } = options;
  for (let pauseMs = leaseTtlMs / 3; ; ) {
    await sleep(pauseMs, undefined, { signal });
    const since = process.hrtime.bigint();
    try {
      if (!(await store.renewLease(workerId, leaseTtlMs))) return;
      deadline.extend(since, leaseTtlMs);
      pauseMs = leaseTtlMs / 3;
    } catch {
      // The store is out of reach: more often, for as long as the lease holds.
      if (!deadline.holds()) return;
      pauseMs = leaseTtlMs / 30;
    }
  }
}

/** How to start a thread that renews: its module, and the database that it opens by itself. */
export interface LeaseThread {
  module: URL;
  database: DatabaseSetting;
}

/** What the thread gets as `workerData`. */
export interface LeaseThreadData {
  workerId: string;
  leaseTtlMs: number;
  deadline: SharedArrayBuffer;
  database: DatabaseSetting;
}

interface KeepLeaseOptions {
  store: Store;
  workerId: string;
  leaseTtlMs: number;
  deadline: LeaseDeadline;
  /** Absent: renewed from this thread, for a store that no other thread can open. */
  thread: LeaseThread | undefined;
  /** Called once when the lease is lost, or the thread is. */
  onLost: () => void;
}

/** Keeps the lease until it is disposed. The worker must be registered already. */
export function keepLease(options: KeepLeaseOptions): AsyncDisposable {
  return options.thread === undefined ? keepHere(options) : keepInThread(options, options.thread);
}

function keepHere(options: KeepLeaseOptions): AsyncDisposable {
  const stopping = new AbortController();
  const ended = renewUntilLost({ ...options, signal: stopping.signal }).then(
    () => {
      if (!stopping.signal.aborted) options.onLost();
    },
    () => {},
  );
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await ended;
    },
  };
}

function keepInThread(options: KeepLeaseOptions, { module, database }: LeaseThread): AsyncDisposable {
  const { workerId, leaseTtlMs, deadline } = options;
  const workerData: LeaseThreadData = { workerId, leaseTtlMs, deadline: deadline.shared, database };
  const thread = new Thread(module, { workerData, name: 'lease' });
  thread.unref();
  let isEnded = false;
  const end = () => {
    if (!isEnded) options.onLost();
    isEnded = true;
  };
  thread.on('error', end);
  thread.on('exit', end);
  return {
    async [Symbol.asyncDispose]() {
      isEnded = true;
      await thread.terminate();
    },
  };
}
