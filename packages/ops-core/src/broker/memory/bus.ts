import type { Broker, Doorbell, LiveChannel, LiveMessage, RingListener } from '../broker.ts';
import type { Bus } from '../bus.ts';

interface QueueListener {
  readonly queues: readonly string[];
  readonly onRing: RingListener;
}

type LiveListener = (message: LiveMessage) => void;

const doNothing = async (): Promise<void> => {};

/** Doorbells within this process. Listeners are called at once, each once per ring. */
export class MemoryBroker implements Broker {
  readonly #listeners = new Set<QueueListener>();

  ring(queues: ReadonlySet<string>): void {
    for (const { queues: wanted, onRing } of this.#listeners) {
      if (wanted.some((queue) => queues.has(queue))) void onRing();
    }
  }

  ringAll(): void {
    for (const { onRing } of this.#listeners) void onRing();
  }

  /** All hear of everything, also those without room: they claim once they have some. */
  subscribe(queues: readonly string[], onRing: RingListener): Doorbell {
    const listener = { queues, onRing };
    this.#listeners.add(listener);
    return { open: () => {}, [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear();
  }
}

/** Live messages within this process. Costs one look-up for a task that nobody watches. */
export class MemoryLiveChannel implements LiveChannel {
  readonly #listeners = new Map<string, Set<LiveListener>>();

  publish(message: LiveMessage): void {
    const listeners = this.#listeners.get(message.taskId);
    if (listeners !== undefined) for (const listener of [...listeners]) listener(message);
  }

  subscribe(taskId: string, onMessage: LiveListener): Disposable {
    // A function of its own per subscription, so that the same one subscribed twice counts twice.
    const listener: LiveListener = (message) => onMessage(message);
    const listeners = this.#listeners.get(taskId) ?? new Set();
    this.#listeners.set(taskId, listeners.add(listener));
    return { [Symbol.dispose]: () => this.#remove(taskId, listener) };
  }

  isWatched(taskId: string): boolean {
    // Asked for every task of every commit: mostly nobody watches anything.
    return this.#listeners.size > 0 && this.#listeners.has(taskId);
  }

  /** Tasks that somebody watches here. */
  watched(): Iterable<string> {
    return this.#listeners.keys();
  }

  #remove(taskId: string, listener: LiveListener): void {
    const listeners = this.#listeners.get(taskId);
    listeners?.delete(listener);
    if (listeners?.size === 0) this.#listeners.delete(taskId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear();
  }
}

/** For a database that only this process uses. */
export function openMemoryBus(): Bus {
  const broker = new MemoryBroker();
  const live = new MemoryLiveChannel();
  return {
    broker,
    live,
    linked: doNothing,
    link: { isLinked: true },
    [Symbol.asyncDispose]: async () => {
      await broker[Symbol.asyncDispose]();
      await live[Symbol.asyncDispose]();
    },
  };
}
