import type { Connection } from 'rabbitmq-client';
import type { BusLog } from '../bus.ts';

/** A queue without consumers goes after that time, with the doorbells in it. */
const expiresAfterMs = 6 * 3_600_000;
/** One doorbell wakes one worker, and a worker that finds much passes it on: more than this help nobody. */
const maxDoorbells = 256;
const maxDeliveries = 20;

/**
 * The queues that doorbells wait in: durable, replicated where RabbitMQ is a cluster, bounded, gone when unused. Each is
 * declared once per connection, and again when it turns out to be gone.
 */
export class Topology {
  readonly #connection: Connection;
  readonly #prefix: string;
  readonly #log: BusLog;
  readonly #declared = new Map<string, Promise<void>>();

  constructor(options: { connection: Connection; prefix: string; log: BusLog }) {
    this.#connection = options.connection;
    this.#prefix = options.prefix;
    this.#log = options.log;
    this.#connection.on('connection', () => this.#declared.clear());
  }

  nameOf(queue: string): string {
    return `${this.#prefix}.doorbell.${queue}`;
  }

  get liveExchange(): string {
    return `${this.#prefix}.live`;
  }

  /** Throws what the broker answers. */
  async declare(queue: string): Promise<void> {
    const name = this.nameOf(queue);
    let declaring = this.#declared.get(name);
    if (declaring === undefined) {
      declaring = this.#declare(name);
      this.#declared.set(name, declaring);
      declaring.catch(() => this.#declared.delete(name));
    }
    await declaring;
  }

  /** The broker said that there is no such queue. */
  forget(queue: string): void {
    this.#declared.delete(this.nameOf(queue));
  }

  /** On a channel of its own, since a refusal closes it. */
  async #declare(name: string): Promise<void> {
    const channel = await this.#connection.acquire({ emitErrorsFromChannel: true });
    channel.on('error', () => {});
    try {
      await channel.queueDeclare({
        queue: name,
        durable: true,
        arguments: {
          'x-queue-type': 'quorum',
          'x-delivery-limit': maxDeliveries,
          'x-max-length': maxDoorbells,
          'x-overflow': 'drop-head',
          'x-expires': expiresAfterMs,
        },
      });
    } catch (error) {
      if ((error as { code?: string }).code !== 'PRECONDITION_FAILED') throw error;
      // Made by another version or by hand: doorbells fit in any queue.
      this.#log.warn(
        { queue: name, err: error },
        'the queue exists with other settings; it is used as it is',
      );
    } finally {
      await channel.close();
    }
  }
}
