import type { Handout } from './recording.ts';

/** Committed results in journal order, handed out one by one. */
export class HandoutQueue {
  /** How many results were handed out so far, requests to cancel among them. */
  handedOut = 0;
  #handouts: Handout[] = [];
  #head = 0;

  /** Begins with these. */
  fill(handouts: Handout[]): void {
    this.#handouts = handouts;
  }

  /** Counts results as handed out. */
  skip(count: number): void {
    this.handedOut += count;
  }

  push(handout: Handout): void {
    this.#handouts.push(handout);
  }

  peek(): Handout | undefined {
    return this.#handouts[this.#head];
  }

  handOut(): Handout | undefined {
    const handout = this.peek();
    if (handout === undefined) return undefined;
    this.handedOut += 1;
    this.drop();
    return handout;
  }

  /** Takes the next one out of the line without counting it. */
  drop(): void {
    this.#head += 1;
    if (this.#head < this.#handouts.length) return;
    this.clear();
  }

  clear(): void {
    this.#handouts = [];
    this.#head = 0;
  }
}
