import { seededRandom } from '../../packages/ops-core/src/storage/faults/faulty-store.ts';

/** A seeded source of chance. The same seed and the same questions give the same answers. */
export class Random {
  /** In [0, 1). */
  readonly next: () => number;

  constructor(seed: number) {
    this.next = seededRandom(seed);
  }

  /** In 0 … bound - 1. */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  /** In min … max. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<const Values extends readonly [unknown, ...unknown[]]>(values: Values): Values[number] {
    return values[this.below(values.length)] as Values[number];
  }

  /** Mostly short, now and then long: from 0 to `maxMs`. */
  delay(maxMs: number): number {
    return Math.floor(maxMs * this.next() ** 4);
  }

  hex(digits: number): string {
    let text = '';
    while (text.length < digits) text += this.below(16).toString(16);
    return text;
  }
}
