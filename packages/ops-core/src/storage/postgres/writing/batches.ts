/** Batches; what comes while two are under way waits for the next. */
const maxInFlight = 2;
/** With fewer the second statement costs what it saves; with 200 callers a tenth more goes through. */
const minToHalve = 100;
const maxItems = 500;
/** In UTF-16 units of all values of a batch. A bigger one goes alone. */
const maxLength = 4 * 1024 * 1024;

interface Job<Item, Result> {
  readonly item: Item;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

export interface BatchesOptions<Item, Result> {
  /** Sends the items as one statement; a result for each. What it throws, each caller gets. */
  readonly send: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** The length of an item's values, in UTF-16 units. */
  readonly lengthOf: (item: Item) => number;
  /** Whether a full batch that finds none under way goes in halves. Default false. */
  readonly halves?: boolean;
}

/**
 * Group commit: collects what is asked for while statements are in flight and sends it together; each caller is answered
 * after the commit. There is no timer: a batch goes at the end of the turn of the event loop, or when one before it ends.
 *
 * Callers who are answered together ask again together: they all wait for the database, and then it for them. In halves,
 * one is written while the callers of the other are answered. It serves where nothing else is written meanwhile.
 */
export class Batches<Item, Result> implements AsyncDisposable {
  readonly #options: BatchesOptions<Item, Result>;
  #jobs: Job<Item, Result>[] = [];
  #inFlight = 0;
  #isArmed = false;
  #onIdle: (() => void) | undefined;

  constructor(options: BatchesOptions<Item, Result>) {
    this.#options = options;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#jobs.push({ item, resolve, reject });
      this.#arm();
    });
  }

  /** Resolves when all that was added is answered. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#jobs.length === 0 && this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #arm(): void {
    if (this.#isArmed || this.#inFlight >= maxInFlight) return;
    this.#isArmed = true;
    setImmediate(() => {
      this.#isArmed = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const jobs = this.#takeBatch();
    if (jobs.length === 0) return;
    this.#inFlight += 1;
    if (this.#jobs.length > 0) this.#arm();
    try {
      const results = await this.#options.send(jobs.map((job) => job.item));
      for (const [index, job] of jobs.entries()) job.resolve(results[index] as Result);
    } catch (error) {
      for (const job of jobs) job.reject(error);
    }
    this.#inFlight -= 1;
    if (this.#jobs.length > 0) this.#arm();
    else if (this.#inFlight === 0) this.#onIdle?.();
  }

  #takeBatch(): Job<Item, Result>[] {
    const waiting = this.#jobs.length;
    const isHalved = this.#options.halves === true && this.#inFlight === 0 && waiting >= minToHalve;
    const most = Math.min(maxItems, isHalved ? Math.ceil(waiting / 2) : waiting);
    let length = 0;
    let count = 0;
    for (const { item } of this.#jobs) {
      length += this.#options.lengthOf(item);
      if (count === most || (count > 0 && length > maxLength)) break;
      count += 1;
    }
    return count === waiting ? this.#takeAll() : this.#jobs.splice(0, count);
  }

  #takeAll(): Job<Item, Result>[] {
    const jobs = this.#jobs;
    this.#jobs = [];
    return jobs;
  }
}
