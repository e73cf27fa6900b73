import type { DatabaseSync } from 'node:sqlite';
import { prepare } from './statement.ts';

/**
 * The store's time, Unix ms: the wall clock, but never before what any process that shares the file gave out. When the
 * wall clock was set back, time goes on at half its pace until the wall clock has caught up, so that what is put off
 * comes due.
 */
export class StoreClock {
  readonly #wallClock: () => number;
  readonly #last;
  readonly #setLast;
  #wall = 0;
  /** Not rounded. */
  #now = 0;

  constructor(database: DatabaseSync, wallClock: () => number) {
    this.#wallClock = wallClock;
    this.#last = prepare<[], [number]>(database, 'select at from clock');
    this.#setLast = prepare<[number]>(database, 'update clock set at = ?1 where at < ?1');
  }

  now(): number {
    const wall = this.#wallClock();
    const passed = Math.max(0, wall - this.#wall);
    this.#now = Math.max(wall, this.#now + passed / 2, this.#last.get()?.[0] ?? 0);
    this.#wall = wall;
    return Math.floor(this.#now);
  }

  /** Has every later time be at least this one, also in other processes. */
  keep(at: number): void {
    this.#setLast.get(at);
  }
}
