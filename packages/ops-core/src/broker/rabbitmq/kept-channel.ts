import { setTimeout as sleep } from 'node:timers/promises';
import type { Channel, Connection } from 'rabbitmq-client';

interface KeptChannelOptions {
  connection: Connection;
  /** Declares and consumes what the channel is for. */
  setUp(channel: Channel): Promise<void>;
  /** It is set up. */
  onOpen?(channel: Channel): void;
  onLost?(): void;
  onError(error: unknown): void;
}

const shortestPauseMs = 100;
const longestPauseMs = 10_000;
/** A close that was under way when the connection broke may never be answered (rabbitmq-client 5.0). */
const longestCloseMs = 5_000;

/**
 * A channel that is open and set up whenever it is wanted and the connection is there: what breaks it (the connection, a
 * queue that is gone, an operator) has it set up anew, after a pause that grows and has jitter.
 */
export class KeptChannel implements AsyncDisposable {
  readonly #options: KeptChannelOptions;
  #channel: Channel | undefined;
  /** Aborted when the channel is wanted no more. */
  #wanting: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: KeptChannelOptions) {
    this.#options = options;
  }

  /** undefined while there is none that works. */
  get current(): Channel | undefined {
    return this.#channel?.active === true ? this.#channel : undefined;
  }

  /** What a channel holds unanswered goes back to its queue when it is wanted no more. */
  want(isWanted: boolean): void {
    if (isWanted === (this.#wanting !== undefined)) return;
    if (!isWanted) {
      this.#wanting?.abort();
      this.#wanting = undefined;
      return;
    }
    const wanting = new AbortController();
    this.#wanting = wanting;
    this.#running = this.#running.then(() => this.#keep(wanting.signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.want(false);
    await this.#running;
  }

  async #keep(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures += 1) {
      if (await this.#openOnce(signal)) failures = 0;
      if (signal.aborted) return;
      const pauseMs = Math.min(shortestPauseMs * 2 ** failures, longestPauseMs) * (0.5 + Math.random() / 2);
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** Resolves when the channel has ended; says whether it was set up before. */
  async #openOnce(signal: AbortSignal): Promise<boolean> {
    const { connection, setUp, onOpen, onLost, onError } = this.#options;
    let channel: Channel | undefined;
    try {
      channel = await connection.acquire({ emitErrorsFromChannel: true });
      const ended = endOf(channel, signal);
      channel.on('error', onError);
      await setUp(channel);
      if (signal.aborted || !channel.active) return true;
      this.#channel = channel;
      onOpen?.(channel);
      await ended;
      return true;
    } catch (error) {
      if (!signal.aborted) onError(error);
      return false;
    } finally {
      if (this.#channel !== undefined) onLost?.();
      this.#channel = undefined;
      await Promise.race([channel?.close(), sleep(longestCloseMs, undefined, { ref: false })]);
    }
  }
}

/** Closed by whoever; a consumer that the broker cancelled (its queue is gone) is no use either. */
function endOf(channel: Channel, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    channel.once('close', resolve);
    channel.once('basic.cancel', () => resolve());
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
