/**
 * One bus for all processes of a host that share a database. Whoever finds no hub at the socket's path becomes it,
 * the others connect; when it is lost they elect again. Nothing here is needed for correctness.
 */
import { createHash } from 'node:crypto';
import { addAbortListener, once } from 'node:events';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Broker, LiveChannel, LiveMessage } from '../broker.ts';
import type { Bus, BusLink } from '../bus.ts';
import { MemoryBroker, MemoryLiveChannel } from '../memory/bus.ts';
import type { BusMessage } from '../message.ts';
import { Hub } from './hub.ts';
import { LineSocket } from './line-socket.ts';

/** The connection to the hub, or the hub itself. */
interface Link {
  send(message: BusMessage): void;
  close(): void;
}

const maxPauseMs = 50;
/** `sun_path` holds 104 bytes on macOS, 108 on Linux; the hub binds a name that is 9 longer. */
const maxPathBytes = 94;

/** Gives the bus at once; it links up in the background. `folder` is that of the database, and must exist. */
export function openSocketBus({ folder }: { folder: string }): Bus {
  return new SocketBus(socketPath(folder));
}

function socketPath(folder: string): string {
  const path = join(folder, 'bus.sock');
  if (Buffer.byteLength(path) <= maxPathBytes) return path;
  const digest = createHash('sha256').update(path).digest('hex').slice(0, 16);
  return join(tmpdir(), `opspawn-${digest}.sock`);
}

class SocketBus implements Bus {
  readonly broker: Broker;
  readonly live: LiveChannel;
  readonly #localBroker = new MemoryBroker();
  readonly #localLive = new MemoryLiveChannel();
  readonly #path: string;
  readonly #closing = new AbortController();
  /** Tasks that other processes watch, and how many of them do. */
  readonly #watchedElsewhere = new Map<string, number>();
  #rung = new Set<string>();
  #link: Link | undefined;
  #linked = Promise.withResolvers<void>();

  constructor(path: string) {
    this.#path = path;
    this.broker = {
      ring: (queues) => this.#ring(queues),
      subscribe: (queues, onRing) => this.#localBroker.subscribe(queues, onRing),
      [Symbol.asyncDispose]: async () => {},
    };
    this.live = {
      publish: (message) => this.#publish(message),
      isWatched: (taskId) => this.#localLive.isWatched(taskId) || this.#isWatchedElsewhere(taskId),
      subscribe: (taskId, onMessage) => this.#watch(taskId, onMessage),
      [Symbol.asyncDispose]: async () => {},
    };
    void this.#elect();
  }

  async linked(signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<never>();
    using _listener = addAbortListener(signal, () => aborted.reject(signal.reason));
    await Promise.race([this.#linked.promise, aborted.promise]);
  }

  get link(): BusLink {
    return { isLinked: this.#link !== undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#link?.close();
    this.#link = undefined;
    await this.#localBroker[Symbol.asyncDispose]();
    await this.#localLive[Symbol.asyncDispose]();
  }

  #ring(queues: ReadonlySet<string>): void {
    this.#localBroker.ring(queues);
    if (this.#link === undefined) return;
    if (this.#rung.size === 0) setImmediate(() => this.#sendRings());
    for (const queue of queues) this.#rung.add(queue);
  }

  #sendRings(): void {
    const queues = [...this.#rung];
    this.#rung = new Set();
    this.#link?.send({ kind: 'ring', queues });
  }

  #publish(message: LiveMessage): void {
    this.#localLive.publish(message);
    if (this.#isWatchedElsewhere(message.taskId)) this.#link?.send({ kind: 'live', message });
  }

  #watch(taskId: string, onMessage: (message: LiveMessage) => void): Disposable {
    if (!this.#localLive.isWatched(taskId)) this.#link?.send({ kind: 'watch', taskId });
    const subscription = this.#localLive.subscribe(taskId, onMessage);
    return {
      [Symbol.dispose]: () => {
        subscription[Symbol.dispose]();
        if (!this.#localLive.isWatched(taskId)) this.#link?.send({ kind: 'unwatch', taskId });
      },
    };
  }

  #receive(message: BusMessage): void {
    switch (message.kind) {
      case 'ring':
        this.#localBroker.ring(new Set(message.queues));
        break;
      case 'live':
        this.#localLive.publish(message.message);
        break;
      case 'watch':
        this.#countWatch(message.taskId, 1);
        break;
      case 'unwatch':
        this.#countWatch(message.taskId, -1);
        break;
      default:
        message satisfies never;
    }
  }

  #isWatchedElsewhere(taskId: string): boolean {
    return this.#watchedElsewhere.size > 0 && this.#watchedElsewhere.has(taskId);
  }

  #countWatch(taskId: string, change: 1 | -1): void {
    const count = (this.#watchedElsewhere.get(taskId) ?? 0) + change;
    if (count > 0) this.#watchedElsewhere.set(taskId, count);
    else this.#watchedElsewhere.delete(taskId);
  }

  async #elect(): Promise<void> {
    const { signal } = this.#closing;
    const on = { message: (message: BusMessage) => this.#receive(message), lost: () => this.#lose() };
    while (!signal.aborted) {
      const link =
        (await connectTo(this.#path, on)) ?? (await Hub.listen(this.#path, on).catch(() => undefined));
      if (signal.aborted) link?.close();
      else if (link !== undefined) return this.#use(link);
      // A random pause, so that processes that lost the same hub do not step on each other.
      await sleep(Math.random() * maxPauseMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  #use(link: Link): void {
    this.#link = link;
    for (const taskId of this.#localLive.watched()) link.send({ kind: 'watch', taskId });
    this.#linked.resolve();
  }

  #lose(): void {
    if (this.#closing.signal.aborted) return;
    this.#link = undefined;
    this.#watchedElsewhere.clear();
    this.#linked = Promise.withResolvers();
    void this.#elect();
  }
}

/** undefined when nobody listens there. */
async function connectTo(
  path: string,
  on: { message(message: BusMessage): void; lost(): void },
): Promise<Link | undefined> {
  const socket = connect(path);
  const lines = new LineSocket(socket, {
    message: on.message,
    end: () => {
      if (isConnected) on.lost();
    },
  });
  let isConnected = false;
  await once(socket, 'connect').then(
    () => {
      isConnected = true;
    },
    () => {},
  );
  return isConnected ? lines : undefined;
}
