import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { defineFunction, localPrincipal, type RunningWorker } from '@opspawn/ops-core';
import { type EmbeddedOptions, openEmbedded } from '../measuring/embedded.ts';
import type { Queue, QueueAdapter } from './queue.ts';

/** All of Opspawn in one process: checked submissions, a worker with leases, each task a durable function that does nothing. */
export const engine: QueueAdapter = { open: (path) => openEngine({ folder: dirname(path) }) };

export const postgresEngine: QueueAdapter = {
  services: ['postgres'],
  open: (databaseUrl) => openEngine({ folder: tmpdir(), databaseUrl }),
};

/** Every doorbell goes to the broker and back, though submitter and worker are one process. */
export const rabbitmqEngine: QueueAdapter = {
  services: ['postgres', 'rabbitmq'],
  open: (databaseUrl, brokerUrl) => openEngine({ folder: tmpdir(), databaseUrl, brokerUrl }),
};

async function openEngine(
  place: Pick<EmbeddedOptions, 'folder' | 'databaseUrl' | 'brokerUrl'>,
): Promise<Queue> {
  const working = Promise.withResolvers<void>();
  let onDone = (_count: number): void => {};
  const worker = await openEmbedded({
    ...place,
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
}

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
