import type { Channel, Connection, ReturnedMessage } from 'rabbitmq-client';
import { newId } from '../../domain/new-id.ts';
import type { LiveChannel, LiveMessage } from '../broker.ts';
import { MemoryLiveChannel } from '../memory/bus.ts';
import { Watchers } from '../watchers.ts';
import { Announcements } from './announcements.ts';
import { KeptChannel } from './kept-channel.ts';
import { type RabbitMessage, rabbitMessageSchema } from './message.ts';

interface RabbitLiveChannelOptions {
  connection: Connection;
  exchange: string;
  onOpen: () => void;
  onLost: () => void;
  onError: (error: unknown) => void;
}

/** A process that reads too slowly loses the oldest live messages. */
const maxQueued = 10_000;
const maxQueuedBytes = 32 * 1024 * 1024;
/** Beyond it live events are dropped before they are sent. */
const maxSendingBytes = 256 * 1024;
const keyOfAll = 'all';
const keyPrefix = 'member.';

/**
 * Live messages between processes: one transient exchange, one exclusive queue for each process. Every process knows
 * which others watch a task and sends to these alone, so that a task that nobody watches costs nothing.
 */
export class RabbitLiveChannel implements LiveChannel {
  readonly #options: RabbitLiveChannelOptions;
  readonly #local = new MemoryLiveChannel();
  readonly #watchers = new Watchers();
  readonly #id = newId();
  readonly #channel: KeptChannel;
  readonly #announcements: Announcements;
  #sendingBytes = 0;

  constructor(options: RabbitLiveChannelOptions) {
    const { connection, onOpen, onLost, onError } = options;
    this.#options = options;
    this.#announcements = new Announcements({
      change: (begun, ended) => this.#send(keyOfAll, { kind: 'watch', member: this.#id, begun, ended }),
      refresh: (silentMs) => {
        this.#watchers.forgetSilent(silentMs);
        this.#tellWatches(keyOfAll);
      },
    });
    this.#channel = new KeptChannel({
      connection,
      onError,
      setUp: (channel) => this.#setUp(channel),
      onOpen: () => {
        this.#send(keyOfAll, { kind: 'hello', member: this.#id });
        this.#tellWatches(keyOfAll);
        onOpen();
      },
      onLost: () => {
        this.#watchers.clear();
        onLost();
      },
    });
    this.#channel.want(true);
  }

  get isOpen(): boolean {
    return this.#channel.current !== undefined;
  }

  isWatched(taskId: string): boolean {
    return this.#local.isWatched(taskId) || this.#watchers.isWatched(taskId);
  }

  publish(message: LiveMessage): void {
    this.#local.publish(message);
    const members = this.#watchers.of(message.taskId);
    if (members.size === 0 || (message.type === 'event' && this.#sendingBytes > maxSendingBytes)) return;
    for (const member of members) this.#send(keyPrefix + member, { kind: 'live', message });
  }

  subscribe(taskId: string, onMessage: (message: LiveMessage) => void): Disposable {
    if (!this.#local.isWatched(taskId)) this.#announcements.begin(taskId);
    const subscription = this.#local.subscribe(taskId, onMessage);
    return {
      [Symbol.dispose]: () => {
        subscription[Symbol.dispose]();
        if (!this.#local.isWatched(taskId)) this.#announcements.end(taskId);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#announcements[Symbol.dispose]();
    this.#send(keyOfAll, { kind: 'bye', member: this.#id });
    await this.#channel[Symbol.asyncDispose]();
    await this.#local[Symbol.asyncDispose]();
  }

  async #setUp(channel: Channel): Promise<void> {
    const { exchange } = this.#options;
    await channel.exchangeDeclare({ exchange, type: 'topic', durable: false, autoDelete: true });
    const { queue } = await channel.queueDeclare({
      queue: '',
      exclusive: true,
      autoDelete: true,
      arguments: {
        'x-max-length': maxQueued,
        'x-max-length-bytes': maxQueuedBytes,
        'x-overflow': 'drop-head',
      },
    });
    for (const routingKey of [keyOfAll, keyPrefix + this.#id]) {
      await channel.queueBind({ exchange, queue, routingKey });
    }
    channel.on('basic.return', ({ routingKey }: ReturnedMessage) => {
      this.#watchers.forget(routingKey.slice(keyPrefix.length));
    });
    await channel.basicConsume({ queue, noAck: true, exclusive: true }, ({ body }) => this.#receive(body));
  }

  #receive(body: unknown): void {
    const message = rabbitMessageSchema.safeParse(body).data;
    if (message === undefined) return;
    if (message.kind === 'live') this.#local.publish(message.message);
    else if (message.member !== this.#id) this.#hear(message);
  }

  #hear(message: Exclude<RabbitMessage, { kind: 'live' }>): void {
    const { member } = message;
    switch (message.kind) {
      case 'hello':
        this.#tellWatches(keyPrefix + member);
        break;
      case 'watches':
        this.#watchers.replace(member, message.taskIds);
        break;
      case 'watch':
        for (const taskId of message.begun) this.#watchers.watch(member, taskId);
        for (const taskId of message.ended) this.#watchers.unwatch(member, taskId);
        break;
      case 'bye':
        this.#watchers.forget(member);
        break;
      default:
        message satisfies never;
    }
  }

  #tellWatches(routingKey: string): void {
    const taskIds = [...this.#local.watched()];
    if (taskIds.length > 0) this.#send(routingKey, { kind: 'watches', member: this.#id, taskIds });
  }

  /** What cannot be sent now is lost: whoever needs it asks the store. */
  #send(routingKey: string, message: RabbitMessage): void {
    const channel = this.#channel.current;
    if (channel === undefined) return;
    const body = Buffer.from(JSON.stringify(message));
    this.#sendingBytes += body.length;
    const sent = (): void => {
      this.#sendingBytes -= body.length;
    };
    const { exchange } = this.#options;
    // To the members one by one, so that the broker says when one of them is gone.
    const envelope = { exchange, routingKey, mandatory: true, contentType: 'application/json' };
    channel.basicPublish(envelope, body).then(sent, sent);
  }
}
