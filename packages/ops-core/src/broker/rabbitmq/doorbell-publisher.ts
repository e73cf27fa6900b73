import { addAbortListener } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, ReturnedMessage } from 'rabbitmq-client';
import type { BusLog } from '../bus.ts';
import { KeptChannel } from './kept-channel.ts';
import type { Topology } from './topology.ts';

interface DoorbellPublisherOptions {
  connection: Connection;
  topology: Topology;
  log: BusLog;
  confirmTimeoutMs: number;
  onError: (error: unknown) => void;
  /** Doorbells can be published. */
  onOpen: () => void;
}

const retryAfterMs = 1_000;

/**
 * Publishes doorbells with confirms, one at a time for each queue: what rings meanwhile goes out as one. What cannot be
 * published is kept, as one doorbell a queue, until it can.
 */
export class DoorbellPublisher implements AsyncDisposable {
  readonly #options: DoorbellPublisherOptions;
  readonly #channel: KeptChannel;
  readonly #closing = new AbortController();
  readonly #rung = new Set<string>();
  readonly #publishing = new Set<string>();
  /** Names of queues whose last doorbell came back. */
  readonly #returned = new Set<string>();

  constructor(options: DoorbellPublisherOptions) {
    const { connection, onError, onOpen } = options;
    this.#options = options;
    this.#channel = new KeptChannel({
      connection,
      onError,
      setUp: async (channel) => {
        channel.on('basic.return', ({ routingKey }: ReturnedMessage) => this.#returned.add(routingKey));
        await channel.confirmSelect();
      },
      onOpen: () => {
        onOpen();
        this.flush();
      },
    });
    this.#channel.want(true);
  }

  get isOpen(): boolean {
    return this.#channel.current !== undefined && this.#options.connection.ready;
  }

  ring(queues: Iterable<string>): void {
    for (const queue of queues) {
      this.#rung.add(queue);
      this.#flush(queue);
    }
  }

  /** Publishes what was kept. */
  flush(): void {
    for (const queue of this.#rung) this.#flush(queue);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#channel[Symbol.asyncDispose]();
  }

  #flush(queue: string): void {
    if (!this.isOpen || this.#publishing.has(queue) || this.#closing.signal.aborted) return;
    this.#rung.delete(queue);
    this.#publishing.add(queue);
    void this.#publish(queue).finally(() => {
      this.#publishing.delete(queue);
      if (this.#rung.has(queue)) this.#flush(queue);
    });
  }

  /** Never rejects. */
  async #publish(queue: string): Promise<void> {
    const { topology, log } = this.#options;
    try {
      await topology.declare(queue);
      if (await this.#publishOnce(queue)) return;
      topology.forget(queue);
      await topology.declare(queue);
      await this.#publishOnce(queue);
    } catch (err) {
      // Without a channel there is another one soon, which tries again at once.
      if (!this.isOpen || this.#closing.signal.aborted) return void this.#rung.add(queue);
      log.warn({ err, queue }, 'a doorbell could not be published; workers find its tasks by their sweep');
      await sleep(retryAfterMs, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {});
      this.#rung.add(queue);
    }
  }

  /** Whether a queue has it. The broker confirms what it returned as well, and returns it first. */
  async #publishOnce(queue: string): Promise<boolean> {
    const routingKey = this.#options.topology.nameOf(queue);
    const channel = this.#channel.current;
    if (channel === undefined) throw new Error('The channel for doorbells is closed');
    this.#returned.delete(routingKey);
    const confirmed = channel.basicPublish({ routingKey, durable: true, mandatory: true }, Buffer.alloc(0));
    await withTimeout(confirmed, this.#options.confirmTimeoutMs);
    // The client tells returns one turn later than confirms.
    await new Promise((resolve) => setImmediate(resolve));
    return !this.#returned.has(routingKey);
  }
}

/** What comes after the timeout, or fails then, is nobody's concern any more. */
async function withTimeout(confirmed: Promise<void>, timeoutMs: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  using _timer = addAbortListener(AbortSignal.timeout(timeoutMs), () =>
    late.reject(new Error(`The broker did not confirm within ${timeoutMs} ms`)),
  );
  await Promise.race([confirmed, late.promise]);
}
