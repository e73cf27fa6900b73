import type pg from 'pg';

/** How often it looks, in ms. */
const everyMs = 250;

/**
 * Breaks connections that get no answer, as from a server that hangs. The driver's `query_timeout` sets a timer for each
 * query and, while a query waits, assigns a function to a property of it: V8 allocates such functions among the old
 * objects, and everything that waits for the query stays there with it until a full collection.
 */
export class HangWatch implements Disposable {
  readonly #timeoutMs: number;
  /** Since when each waits, of `performance.now()`. */
  readonly #waiting = new Map<pg.ClientBase, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Whoever has a connection of the pool waits for an answer. */
  watch(pool: pg.Pool): void {
    pool.on('acquire', (client) => this.begin(client));
    pool.on('release', (_error, client) => this.end(client));
  }

  begin(client: pg.ClientBase): void {
    this.#waiting.set(client, performance.now());
    this.#timer ??= setInterval(() => this.#look(), everyMs).unref();
  }

  end(client: pg.ClientBase): void {
    this.#waiting.delete(client);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#waiting.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    const now = performance.now();
    for (const [client, since] of this.#waiting) {
      if (now - since <= this.#timeoutMs) continue;
      this.#waiting.delete(client);
      const { stream } = (client as pg.Client).connection;
      stream.destroy(new Error(`It did not answer within ${this.#timeoutMs} ms`));
    }
  }
}
