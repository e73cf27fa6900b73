import type { DrawnNumbers } from './drawn-numbers.ts';

/**
 * One line of execution of a durable function: the root, or one branch of an `all`, `map` or `race`. Counts names, so
 * that calls are known by the same identity whatever the other branches do meanwhile.
 */
export class Branch {
  /** '' for the root, `map1.0`, `map1.0/race2.1`, … */
  readonly path: string;
  /** Made at the first draw. */
  numbers: DrawnNumbers | undefined;
  /** Log lines so far that belong to no step. */
  logLines = 0;
  readonly #parent: Branch | undefined;
  #isClosed = false;
  readonly #calls = new Map<string, number>();
  readonly #sets = new Map<string, number>();

  constructor(path: string, parent?: Branch) {
    this.path = path;
    this.#parent = parent;
  }

  /** Whether this branch, or one that it is in, lost its race. Nothing that it asks for is ever settled. */
  get isClosed(): boolean {
    return this.#isClosed || (this.#parent?.isClosed ?? false);
  }

  close(): void {
    this.#isClosed = true;
  }

  /** How-manieth call of this name in this branch the next one is, from 1. */
  nextCount(name: string): number {
    return increment(this.#calls, name);
  }

  /** The branches of the next `all`, `map` or `race`. */
  split(kind: 'all' | 'map' | 'race', size: number): Branch[] {
    const prefix = `${this.path === '' ? '' : `${this.path}/`}${kind}${increment(this.#sets, kind)}`;
    return Array.from({ length: size }, (_, index) => new Branch(`${prefix}.${index}`, this));
  }
}

function increment(counts: Map<string, number>, name: string): number {
  const count = (counts.get(name) ?? 0) + 1;
  counts.set(name, count);
  return count;
}
