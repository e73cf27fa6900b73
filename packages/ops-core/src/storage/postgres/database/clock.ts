import { type Run, statement } from './connections.ts';

const currentTime = statement<[at: number]>('now', 'select greatest(now_ms(), $1::bigint)');

/** How long the database's clock may stand still before that counts as set back, in ms. */
const graceMs = 1000;

/**
 * The time that this process knows of: the database's, but never before what was given out. `floor` goes along with
 * every write. When the database's clock was set back, the floor goes on at half the pace of this host's monotonic clock
 * until the database's has caught up, so that what is put off comes due.
 */
export class StoreClock {
  #last = 0;
  /** Of performance.now(), when the database's clock was last ahead. */
  #lastAt = performance.now();

  /** Unix ms. */
  get floor(): number {
    const stoodStillMs = performance.now() - this.#lastAt - graceMs;
    return Math.floor(this.#last + Math.max(0, stoodStillMs) / 2);
  }

  /** A time that the database told. */
  note(at: number): void {
    if (at <= this.floor) return;
    this.#last = at;
    this.#lastAt = performance.now();
  }

  /** Asks the database. */
  async now(run: Run): Promise<number> {
    const [[at] = [0]] = await run('reads', currentTime, [this.floor]);
    this.note(at);
    // Meanwhile a later time may have been given out.
    return Math.max(at, this.floor);
  }
}
