import type { Connections } from './connections.ts';

const everyMs = 1000;

/** Whether the queue has gathered dead rows that nobody has looked at for about a second; autovacuum comes every minute. */
const isNeeded = `select n_dead_tup > 500 and coalesce(last_vacuum < now() - interval '0.9 s', true)
  from pg_stat_user_tables where relid = 'opspawn.queue'::regclass`;

/**
 * Keeps the queue small while it is written to: each task leaves dead rows behind, and a claim that has to step over
 * them slows down by the thousand. Driven by writes, without a timer; an idle process does nothing.
 */
export class Vacuum implements AsyncDisposable {
  readonly #connections: Connections;
  #lastAt = performance.now();
  #running: Promise<void> | undefined;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  noteWrite(): void {
    if (this.#running !== undefined || performance.now() - this.#lastAt < everyMs) return;
    this.#running = this.#vacuum().finally(() => {
      this.#running = undefined;
      this.#lastAt = performance.now();
    });
  }

  async #vacuum(): Promise<void> {
    try {
      const [row] = await this.#connections.runOnce(isNeeded);
      if (row?.[0] === true)
        await this.#connections.runOnce('vacuum (truncate off, skip_locked) opspawn.queue');
    } catch {
      // Only speed is lost, and the next write tries again.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running;
  }
}
