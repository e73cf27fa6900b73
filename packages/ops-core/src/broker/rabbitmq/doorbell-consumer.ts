import type { AsyncMessage, Channel, Connection } from 'rabbitmq-client';
import type { Doorbell, RingListener } from '../broker.ts';
import { KeptChannel } from './kept-channel.ts';
import type { Topology } from './topology.ts';

interface DoorbellConsumerOptions {
  connection: Connection;
  topology: Topology;
  queues: readonly string[];
  onRing: RingListener;
  /** Others are to hear of this queue. */
  passOn: (queue: string) => void;
  onError: (error: unknown) => void;
  onDispose: (consumer: DoorbellConsumer) => void;
}

/** Unanswered doorbells of one queue that one worker holds at most. */
const prefetch = 2;
/** Consuming costs the broker a write each time it begins or ends: who is full for less is not worth it. */
const closeAfterMs = 25;

/** Hears the doorbells of some queues while it is open. Each is acknowledged when the claim that it caused has ended. */
export class DoorbellConsumer implements Doorbell {
  readonly #options: DoorbellConsumerOptions;
  readonly #channel: KeptChannel;
  #closing: NodeJS.Timeout | undefined;
  #isDisposed = false;

  constructor(options: DoorbellConsumerOptions) {
    this.#options = options;
    this.#channel = new KeptChannel({
      connection: options.connection,
      onError: options.onError,
      setUp: (channel) => this.#consume(channel),
      // What rang before was perhaps lost.
      onOpen: () => void options.onRing(),
    });
    this.#channel.want(true);
  }

  /** Rings that did not come by the broker. */
  ring(queues: ReadonlySet<string>): void {
    if (this.#options.queues.some((queue) => queues.has(queue))) void this.#options.onRing();
  }

  open(isOpen: boolean): void {
    if (this.#isDisposed) return;
    if (isOpen) {
      clearTimeout(this.#closing);
      this.#closing = undefined;
      this.#channel.want(true);
    } else {
      this.#closing ??= setTimeout(() => this.#channel.want(false), closeAfterMs).unref();
    }
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#closing);
    this.#channel.want(false);
    this.#options.onDispose(this);
  }

  /** Resolves when the broker holds nothing for it any more. */
  async closed(): Promise<void> {
    await this.#channel[Symbol.asyncDispose]();
  }

  async #consume(channel: Channel): Promise<void> {
    const { queues, topology } = this.#options;
    await channel.basicQos({ prefetchCount: prefetch });
    for (const queue of queues) {
      await topology.declare(queue);
      try {
        await channel.basicConsume({ queue: topology.nameOf(queue) }, (message) => {
          void this.#hear(channel, queue, message);
        });
      } catch (error) {
        // It may be gone since it was declared; the next attempt declares it.
        topology.forget(queue);
        throw error;
      }
    }
  }

  async #hear(channel: Channel, queue: string, { deliveryTag }: AsyncMessage): Promise<void> {
    const { onRing, passOn } = this.#options;
    const mayBeMore = (await onRing()) ?? false;
    // Closed meanwhile: the broker has given it to another one.
    if (!channel.active) return;
    if (mayBeMore) passOn(queue);
    channel.basicAck({ deliveryTag });
  }
}
