/**
 * The bus of processes that share a database, over its NOTIFY. Nothing here is needed for correctness: what is lost,
 * workers and watchers find about a second later by themselves. A commit that notifies holds a lock that is one for the
 * whole server, so that NOTIFY goes over a connection of its own, gathered, and never with what it tells about.
 */
import { addAbortListener } from 'node:events';
import pg from 'pg';
import { newId } from '../../domain/new-id.ts';
import type { Broker, LiveChannel, LiveMessage } from '../broker.ts';
import type { Bus, BusLink, BusLog } from '../bus.ts';
import { MemoryBroker, MemoryLiveChannel } from '../memory/bus.ts';
import { Watchers } from '../watchers.ts';
import { Listener } from './listener.ts';
import { type Notice, type NoticeMessage, NoticeWriter, readNotice } from './notice.ts';
import { Throttle } from './throttle.ts';

export interface PostgresBusOptions {
  url: string;
  log: BusLog;
  /** How long an own notice may take to come back before it counts as swallowed, in ms. Default 3,000. */
  selfTestMs?: number;
}

const channel = 'opspawn';
/** At most one NOTIFY in so many ms: of doorbells, and of what watchers get. */
const ringEveryMs = 5;
const liveEveryMs = 50;
/** How often a process says again what it watches; after three times without a word it counts as gone. */
const sayAgainMs = 15_000;
/** How often workers look for tasks where NOTIFY does not get through. */
const pollEveryMs = 200;
/** Live events that wait to be sent; what is beyond is dropped. */
const maxEvents = 2_000;
const sendTimeoutMs = 5_000;

/** Gives the bus at once; it links up in the background, and says in the log when NOTIFY does not get through. */
export const openPostgresBus = (options: PostgresBusOptions): Bus => new PostgresBus(options);

class PostgresBus implements Bus {
  readonly broker: Broker;
  readonly live: LiveChannel;
  readonly #id = newId();
  readonly #log: BusLog;
  readonly #selfTestMs: number;
  readonly #localBroker = new MemoryBroker();
  readonly #localLive = new MemoryLiveChannel();
  readonly #watchers = new Watchers();
  readonly #listener: Listener;
  readonly #notifier: pg.Pool;
  readonly #writer = new NoticeWriter(this.#id);
  readonly #rings = new Throttle(ringEveryMs, () => this.#sendRings());
  readonly #lives = new Throttle(liveEveryMs, () => this.#sendLives());
  readonly #sayingAgain: NodeJS.Timeout;
  #rung = new Set<string>();
  #messages: NoticeMessage[] = [];
  /** Tasks of which `changed` waits in `#messages`. */
  #changed = new Set<string>();
  /** What is to be told of what is watched here; `again` when the others may know already. */
  #watchChanges = new Map<string, 'watch' | 'again' | 'unwatch'>();
  #linked = Promise.withResolvers<void>();
  #isLinked = false;
  #selfTest: NodeJS.Timeout | undefined;
  #polling: NodeJS.Timeout | undefined;

  constructor({ url, log, selfTestMs = 3_000 }: PostgresBusOptions) {
    this.#log = log;
    this.#selfTestMs = selfTestMs;
    this.broker = {
      ring: (queues) => this.#ring(queues),
      subscribe: (queues, onRing) => this.#localBroker.subscribe(queues, onRing),
      [Symbol.asyncDispose]: async () => {},
    };
    this.live = {
      publish: (message) => this.#publish(message),
      isWatched: (taskId) => this.#localLive.isWatched(taskId) || this.#watchers.isWatched(taskId),
      subscribe: (taskId, onMessage) => this.#watch(taskId, onMessage),
      [Symbol.asyncDispose]: async () => {},
    };
    this.#notifier = openNotifier(url);
    this.#listener = new Listener({
      url,
      channel,
      onPayload: (payload) => this.#receive(payload),
      onConnected: () => this.#greet(),
      onLost: (err) => this.#lose(err),
    });
    this.#sayingAgain = setInterval(() => this.#sayAgain(), sayAgainMs).unref();
  }

  get link(): BusLink {
    return { isLinked: this.#isLinked };
  }

  async linked(signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<never>();
    using _listener = addAbortListener(signal, () => aborted.reject(signal.reason));
    await Promise.race([this.#linked.promise, aborted.promise]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sayingAgain);
    clearTimeout(this.#selfTest);
    clearInterval(this.#polling);
    this.#rings[Symbol.dispose]();
    this.#lives[Symbol.dispose]();
    await this.#listener[Symbol.asyncDispose]();
    await this.#notifier.end();
    await this.#localBroker[Symbol.asyncDispose]();
    await this.#localLive[Symbol.asyncDispose]();
  }

  #ring(queues: ReadonlySet<string>): void {
    this.#localBroker.ring(queues);
    for (const queue of queues) this.#rung.add(queue);
    this.#rings.request();
  }

  #publish(message: LiveMessage): void {
    this.#localLive.publish(message);
    const { type, taskId } = message;
    if (!this.#watchers.isWatched(taskId)) return;
    if (type === 'event' && this.#messages.length >= maxEvents) return;
    // It says only that there is something to look at.
    if (type === 'changed' && this.#changed.has(taskId)) return;
    if (type === 'changed') this.#changed.add(taskId);
    this.#messages.push({ kind: 'live', message });
    this.#lives.request();
  }

  #watch(taskId: string, onMessage: (message: LiveMessage) => void): Disposable {
    if (!this.#localLive.isWatched(taskId)) this.#tellWatch(taskId);
    const subscription = this.#localLive.subscribe(taskId, onMessage);
    return {
      [Symbol.dispose]: () => {
        subscription[Symbol.dispose]();
        if (!this.#localLive.isWatched(taskId)) this.#tellUnwatch(taskId);
      },
    };
  }

  /** What is watched for a moment only is never told of. */
  #tellWatch(taskId: string): void {
    this.#watchChanges.set(taskId, this.#watchChanges.get(taskId) === 'unwatch' ? 'again' : 'watch');
    this.#lives.request();
  }

  #tellUnwatch(taskId: string): void {
    if (this.#watchChanges.get(taskId) === 'watch') this.#watchChanges.delete(taskId);
    else this.#watchChanges.set(taskId, 'unwatch');
    this.#lives.request();
  }

  async #sendRings(): Promise<void> {
    const queues = [...this.#rung];
    this.#rung = new Set();
    await this.#notify([{ kind: 'ring', queues }]);
  }

  async #sendLives(): Promise<void> {
    const changes = [...this.#watchChanges].map(
      ([taskId, change]): NoticeMessage => ({ kind: change === 'again' ? 'watch' : change, taskId }),
    );
    const messages = this.#messages;
    this.#watchChanges = new Map();
    this.#messages = [];
    this.#changed = new Set();
    await this.#notify([...changes, ...messages]);
  }

  async #notify(messages: readonly NoticeMessage[]): Promise<void> {
    const payloads = this.#writer.write(messages);
    if (payloads.length === 0) return;
    try {
      await this.#notifier.query(notifyAll, [payloads]);
    } catch {
      // The listener tells when the database is away. What was lost delays, and what is watched is said again.
    }
  }

  #receive(payload: string): void {
    const notice = readNotice(payload);
    if (notice === undefined) return;
    if (notice.from === this.#id) this.#hearOwn();
    else this.#heed(notice);
  }

  #heed({ from, messages }: Notice): void {
    for (const message of messages) {
      switch (message.kind) {
        case 'ring':
          this.#localBroker.ring(new Set(message.queues));
          break;
        case 'live':
          this.#localLive.publish(message.message);
          break;
        case 'watch':
          this.#watchers.watch(from, message.taskId);
          break;
        case 'unwatch':
          this.#watchers.unwatch(from, message.taskId);
          break;
        case 'hello':
          this.#sayWatched();
          break;
        default:
          message satisfies never;
      }
    }
  }

  #greet(): void {
    this.#messages.push({ kind: 'hello' });
    this.#sayWatched();
    this.#awaitOwn();
  }

  #sayWatched(): void {
    for (const taskId of this.#localLive.watched()) {
      if (!this.#watchChanges.has(taskId)) this.#watchChanges.set(taskId, 'again');
    }
    this.#lives.request();
  }

  #sayAgain(): void {
    this.#watchers.forgetSilent(3 * sayAgainMs);
    if (this.#polling !== undefined) this.#messages.push({ kind: 'hello' });
    this.#sayWatched();
  }

  /** Poolers that lend a connection for one transaction take LISTEN without a word, and deliver nothing. */
  #awaitOwn(): void {
    clearTimeout(this.#selfTest);
    this.#selfTest = setTimeout(() => {
      if (this.#polling !== undefined) return;
      this.#log.warn(
        {},
        'NOTIFY does not get through to this process, as behind a pooler in transaction mode, or while a database starts: it looks for tasks five times a second instead',
      );
      this.#polling = setInterval(() => this.#localBroker.ringAll(), pollEveryMs).unref();
    }, this.#selfTestMs).unref();
  }

  #hearOwn(): void {
    clearTimeout(this.#selfTest);
    this.#linked.resolve();
    this.#isLinked = true;
    if (this.#polling === undefined) return;
    clearInterval(this.#polling);
    this.#polling = undefined;
    this.#log.info({}, 'NOTIFY gets through again');
  }

  #lose(err: unknown): void {
    clearTimeout(this.#selfTest);
    this.#linked = Promise.withResolvers();
    this.#isLinked = false;
    this.#log.warn({ err }, 'the bus lost its connection to the database, and tries again');
  }
}

/**
 * Without waiting for the disk, which each commit with a NOTIFY would do under the lock. Set for this transaction alone:
 * behind a pooler the connection is somebody else's next.
 */
const notifyAll = `select set_config('synchronous_commit', 'off', true), pg_notify('${channel}', payload)
  from unnest($1::text[]) with ordinality x (payload, no) order by no`;

function openNotifier(url: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'opspawn bus',
    max: 1,
    connectionTimeoutMillis: sendTimeoutMs,
    query_timeout: sendTimeoutMs,
    keepAlive: true,
    allowExitOnIdle: true,
  });
  // An idle connection broke: the next call makes another.
  pool.on('error', () => {});
  return pool;
}
