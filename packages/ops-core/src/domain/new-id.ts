import { randomUUID } from 'node:crypto';

/** Makes the ids of one process. */
export class IdSequence {
  #lastMs = 0;
  #counter = 0;
  #timePart = '';

  next(): string {
    const now = Date.now();
    if (now > this.#lastMs) this.#setTime(now);
    else if (this.#counter === 0xfff) this.#setTime(this.#lastMs + 1);
    else this.#counter += 1;
    const variantAndRandom = randomUUID().slice(19);
    return `${this.#timePart}${this.#counter.toString(16).padStart(3, '0')}-${variantAndRandom}`;
  }

  #setTime(ms: number): void {
    const hex = ms.toString(16).padStart(12, '0');
    this.#lastMs = ms;
    this.#counter = 0;
    this.#timePart = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
  }
}

const ofThisProcess = new IdSequence();
let currentIds = (): IdSequence => ofThisProcess;

/** For a simulation, in which one process plays several. */
export function useIds(ids: () => IdSequence): void {
  currentIds = ids;
}

/**
 * A UUID version 7 (RFC 9562), greater than every one that this process made before: ids made within the same ms go
 * by a counter in `rand_a`. Lists and claims go by id where times are equal, and so keep the order of submission.
 */
export const newId = (): string => currentIds().next();
