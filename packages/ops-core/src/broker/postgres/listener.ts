import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

interface ListenerOptions {
  readonly url: string;
  readonly channel: string;
  readonly onPayload: (payload: string) => void;
  readonly onConnected: () => void;
  /** Called once for each loss, also when the first connection cannot be made. */
  readonly onLost: (error: unknown) => void;
}

const connectTimeoutMs = 5_000;
/** A peer that is gone without a word is found out within ten seconds more (libuv asks each second, ten times). */
const keepAliveMs = 10_000;
const backoffMs = { first: 50, last: 5_000 } as const;

/** It says nothing for as long as nothing happens, which a role or a database may have bounded (PostgreSQL 14). */
const stayIdle = `select set_config(name, '0', false) from pg_settings where name = 'idle_session_timeout'`;

/** Listens on a connection of its own until it is disposed, and connects again whenever that is lost. */
export class Listener implements AsyncDisposable {
  readonly #options: ListenerOptions;
  readonly #closing = new AbortController();
  readonly #ended: Promise<void>;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#ended = this.#keepListening();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#ended;
  }

  async #keepListening(): Promise<void> {
    const { signal } = this.#closing;
    let delayMs: number = backoffMs.first;
    let isToldLost = false;
    while (!signal.aborted) {
      const error = await this.#listenUntilLost(() => {
        delayMs = backoffMs.first;
        isToldLost = false;
        this.#options.onConnected();
      });
      if (signal.aborted) return;
      if (!isToldLost) this.#options.onLost(error);
      isToldLost = true;
      // A random pause: all processes lose a database at the same time.
      await sleep(delayMs * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => {});
      delayMs = Math.min(2 * delayMs, backoffMs.last);
    }
  }

  /** Gives why it ended. */
  async #listenUntilLost(onConnected: () => void): Promise<unknown> {
    const { url, channel, onPayload } = this.#options;
    const { signal } = this.#closing;
    const client = new pg.Client({
      connectionString: url,
      application_name: 'opspawn bus',
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: keepAliveMs,
    });
    const lost = Promise.withResolvers<unknown>();
    client.on('error', lost.resolve);
    client.on('end', () => lost.resolve(new Error('the connection was closed')));
    client.on('notification', ({ payload = '' }) => onPayload(payload));
    const stop = () => lost.resolve(signal.reason);
    signal.addEventListener('abort', stop);
    try {
      await client.connect();
      await client.query(stayIdle);
      await client.query(`listen ${channel}`);
      if (!signal.aborted) onConnected();
      return await lost.promise;
    } catch (error) {
      return error;
    } finally {
      signal.removeEventListener('abort', stop);
      client.end().catch(() => {});
    }
  }
}
