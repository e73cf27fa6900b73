const gatherMs = 50;
const refreshEveryMs = 30_000;

interface AnnouncementsOptions {
  change: (begun: string[], ended: string[]) => void;
  /** Called now and then: to say all again, for whom it did not reach, and to forget who was silent for `silentMs`. */
  refresh: (silentMs: number) => void;
}

/**
 * When a process tells the others what it watches: the first change at once, so that a stream begins without delay, and
 * what follows within 50 ms together. What began and ended in that time is not worth a word.
 */
export class Announcements implements Disposable {
  readonly #options: AnnouncementsOptions;
  readonly #refresh: NodeJS.Timeout;
  readonly #begun = new Set<string>();
  readonly #ended = new Set<string>();
  #gathering: NodeJS.Timeout | undefined;

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
    const everyMs = refreshEveryMs * (0.8 + 0.4 * Math.random());
    this.#refresh = setInterval(() => options.refresh(4 * refreshEveryMs), everyMs).unref();
  }

  begin(taskId: string): void {
    if (!this.#ended.delete(taskId)) this.#begun.add(taskId);
    this.#flush();
  }

  end(taskId: string): void {
    if (!this.#begun.delete(taskId)) this.#ended.add(taskId);
    this.#flush();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#refresh);
    clearTimeout(this.#gathering);
  }

  #flush(): void {
    if (this.#gathering !== undefined || this.#begun.size + this.#ended.size === 0) return;
    this.#options.change([...this.#begun], [...this.#ended]);
    this.#begun.clear();
    this.#ended.clear();
    this.#gathering = setTimeout(() => {
      this.#gathering = undefined;
      this.#flush();
    }, gatherMs).unref();
  }
}
