/** The sum over a list that mostly grows at its end: what was counted before is not counted again. */
export class GrowingSum<Item extends object> {
  readonly #measure: (item: Item) => number;
  #first: Item | undefined;
  #last: Item | undefined;
  #length = 0;
  #sum = 0;

  constructor(measure: (item: Item) => number) {
    this.#measure = measure;
  }

  of(items: readonly Item[]): number {
    const hasGrown = items[0] === this.#first && items[this.#length - 1] === this.#last;
    if (!hasGrown || this.#length === 0) this.#length = this.#sum = 0;
    for (; this.#length < items.length; this.#length += 1)
      this.#sum += this.#measure(items[this.#length] as Item);
    this.#first = items[0];
    this.#last = items[this.#length - 1];
    return this.#sum;
  }
}
