/**
 * One bus for all processes that reach a RabbitMQ. Doorbells go to durable quorum queues, from which one worker with
 * room hears each; live messages to a queue of each process. Nothing here is needed for correctness: without the broker
 * a doorbell rings in its own process alone, and workers look for work about once a second.
 */
import { addAbortListener } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'rabbitmq-client';
import type { Broker, Doorbell, LiveChannel, RingListener } from '../broker.ts';
import type { Bus, BusLink, BusLog } from '../bus.ts';
import { connectTo } from './connect-to.ts';
import { DoorbellConsumer } from './doorbell-consumer.ts';
import { DoorbellPublisher } from './doorbell-publisher.ts';
import { brokerRefused, isRefusal, messageOf } from './failure.ts';
import { RabbitLiveChannel } from './live-channel.ts';
import { Topology } from './topology.ts';

export interface RabbitBusOptions {
  /** `amqp://user:password@host:port/vhost`, or `amqps:`. */
  url: string;
  log: BusLog;
  /** Begins the names of all queues and exchanges. Deployments that share a virtual host need different ones. */
  prefix?: string;
  /** After so long without the broker's confirmation a doorbell counts as lost. */
  confirmTimeoutMs?: number;
  /** How long the opening waits for the broker before it goes on without it. */
  openTimeoutMs?: number;
}

const heartbeatSeconds = 10;
const connectTimeoutMs = 5_000;
const shortestPauseMs = 200;
const longestPauseMs = 10_000;
const closeTimeoutMs = 1_000;

/**
 * Resolves when the broker is linked, and also when it is away: then it is looked for in the background, for as long as
 * it takes. Throws `config_invalid` when the broker is there and refuses: credentials, virtual host, permissions, or no
 * AMQP 0-9-1 at all.
 */
export async function openRabbitBus(options: RabbitBusOptions): Promise<Bus> {
  const { openTimeoutMs = 3_000 } = options;
  const bus = new RabbitBus(options);
  try {
    await bus.firstVerdict(openTimeoutMs);
    return bus;
  } catch (thrown) {
    await bus[Symbol.asyncDispose]();
    throw thrown;
  }
}

class RabbitBus implements Bus {
  readonly broker: Broker;
  readonly live: LiveChannel;
  readonly #url: string;
  readonly #log: BusLog;
  readonly #connection: Connection;
  readonly #topology: Topology;
  readonly #publisher: DoorbellPublisher;
  readonly #live: RabbitLiveChannel;
  readonly #consumers = new Set<DoorbellConsumer>();
  readonly #verdict = Promise.withResolvers<void>();
  #linked = Promise.withResolvers<void>();
  #isLinked = false;
  #reason: string | undefined;
  #isClosing = false;

  constructor({ url, log, prefix = 'opspawn', confirmTimeoutMs = 5_000 }: RabbitBusOptions) {
    this.#url = url;
    this.#log = log;
    const connection = connectTo({
      url,
      connectionName: `${prefix} ${process.pid}`,
      heartbeat: heartbeatSeconds,
      connectionTimeout: connectTimeoutMs,
      retryLow: shortestPauseMs,
      retryHigh: longestPauseMs,
      noDelay: true,
    });
    this.#connection = connection;
    const onError = (error: unknown): void => this.#fail(error);
    connection.on('error', onError);
    connection.on('connection.unblocked', () => {
      this.#publisher.flush();
      this.#link();
    });
    this.#topology = new Topology({ connection, prefix, log });
    const onOpen = (): void => this.#link();
    const onLost = (): void => this.#unlink();
    const { liveExchange: exchange } = this.#topology;
    this.#publisher = new DoorbellPublisher({
      connection,
      topology: this.#topology,
      log,
      confirmTimeoutMs,
      onOpen,
      onError,
    });
    this.#live = new RabbitLiveChannel({ connection, exchange, onOpen, onLost, onError });
    this.live = this.#live;
    this.broker = {
      ring: (queues) => this.#ring(queues),
      subscribe: (queues, onRing) => this.#subscribe(queues, onRing),
      [Symbol.asyncDispose]: async () => {},
    };
  }

  get link(): BusLink {
    if (this.#isLinked) return { isLinked: true };
    return { isLinked: false, ...(this.#reason === undefined ? {} : { reason: this.#reason }) };
  }

  async linked(signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<never>();
    using _listener = addAbortListener(signal, () => aborted.reject(signal.reason));
    await Promise.race([this.#linked.promise, aborted.promise]);
  }

  /** Resolves with the first link or the first failure, or after that time. Throws `config_invalid`. */
  async firstVerdict(timeoutMs: number): Promise<void> {
    const waiting = new AbortController();
    const late = sleep(timeoutMs, undefined, { signal: waiting.signal }).catch(() => {});
    await Promise.race([this.#verdict.promise, late]);
    waiting.abort();
    if (!this.#isLinked) this.#warnOfAbsence();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    for (const consumer of this.#consumers) consumer[Symbol.dispose]();
    const parts = [...this.#consumers].map((consumer) => consumer.closed());
    const close = async (): Promise<void> => {
      await Promise.all([
        this.#live[Symbol.asyncDispose](),
        this.#publisher[Symbol.asyncDispose](),
        ...parts,
      ]);
      await this.#connection.close();
    };
    const waiting = new AbortController();
    const late = sleep(closeTimeoutMs, undefined, { signal: waiting.signal }).catch(() => {});
    // Without a connection nothing can be said any more.
    if (this.#connection.ready) await Promise.race([close().catch(() => {}), late]);
    waiting.abort();
    this.#connection.unsafeDestroy();
  }

  #ring(queues: ReadonlySet<string>): void {
    if (this.#isClosing) return;
    this.#publisher.ring(queues);
    // It is told to others later, when that is possible again; here it can be told now.
    if (!this.#publisher.isOpen) for (const consumer of this.#consumers) consumer.ring(queues);
  }

  #subscribe(queues: readonly string[], onRing: RingListener): Doorbell {
    const consumer = new DoorbellConsumer({
      connection: this.#connection,
      topology: this.#topology,
      queues,
      onRing,
      passOn: (queue) => this.#publisher.ring([queue]),
      onError: (error) => this.#fail(error),
      onDispose: (disposed) => this.#consumers.delete(disposed),
    });
    this.#consumers.add(consumer);
    return consumer;
  }

  #link(): void {
    if (this.#isLinked || !this.#publisher.isOpen || !this.#live.isOpen) return;
    this.#isLinked = true;
    this.#reason = undefined;
    this.#linked.resolve();
    this.#verdict.resolve();
    this.#log.info({}, 'the broker is linked');
  }

  #unlink(): void {
    if (!this.#isLinked || this.#isClosing) return;
    this.#isLinked = false;
    this.#linked = Promise.withResolvers();
    this.#warnOfAbsence();
  }

  #warnOfAbsence(): void {
    this.#log.warn(
      this.#reason === undefined ? {} : { reason: this.#reason },
      'the broker is away: workers look for work about once a second until it is back',
    );
  }

  #fail(error: unknown): void {
    if (this.#isClosing) return;
    this.#reason = messageOf(error);
    // A refusal later on may be a restart half-way: it is tried again like any other loss.
    if (isRefusal(error)) this.#verdict.reject(brokerRefused(this.#url, messageOf(error), error));
    else this.#verdict.resolve();
  }
}
