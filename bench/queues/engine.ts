import { dirname } from 'node:path';
import { defineFunction, localPrincipal, type RunningWorker } from '@opspawn/ops-core';
import { openEmbedded } from '../measuring/embedded.ts';
import type { Queue, QueueAdapter } from './queue.ts';

/** All of Opspawn embedded: checked submissions, a worker with leases, each task a durable function that does nothing. */
export const engine: QueueAdapter = {
  async open(path) {
    const working = Promise.withResolvers<void>();
    let onDone = (_count: number): void => {};
    const worker = await openEmbedded({
      folder: dirname(path),
      config: { functions: [defineFunction({ name: 'noop', run: () => {} })] },
      capacity: 1000,
      claimAfter: working.promise,
      onFinished: () => onDone(1),
    });
    const begin = (listener: (count: number) => void): void => {
      onDone = listener;
      working.resolve();
    };
    return new EngineQueue(worker, begin);
  },
};

class EngineQueue implements Queue {
  readonly #worker: RunningWorker;
  readonly #begin: (onDone: (count: number) => void) => void;

  constructor(worker: RunningWorker, begin: (onDone: (count: number) => void) => void) {
    this.#worker = worker;
    this.#begin = begin;
  }

  async submit(payload: string): Promise<void> {
    await this.#worker.engine.submit(localPrincipal, { name: 'noop', input: JSON.parse(payload) });
  }

  /** The worker goes on until the queue is closed: nothing is submitted any more then. */
  work(onDone: (count: number) => void): AsyncDisposable {
    this.#begin(onDone);
    return { async [Symbol.asyncDispose]() {} };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker[Symbol.asyncDispose]();
  }
}
