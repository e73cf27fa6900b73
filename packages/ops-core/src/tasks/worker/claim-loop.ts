import { AsyncLocalStorage } from 'node:async_hooks';

interface ClaimLoopOptions<Claimed> {
  /** Slots that are free now. */
  free: () => number;
  claim: (limit: number) => Promise<readonly Claimed[]>;
  start: (claimed: Claimed) => void;
  /** The store could not be asked; the next wake-up tries again. */
  onError: (error: unknown) => void;
  /** For how long a claim is put off, in ms; mostly 0. */
  restMs?: () => number;
  /** Called when a claim found nothing: the moment to look for what is due. */
  onEmpty: () => void;
}

/** More in one claim would hold the commit that carries it for too long. */
const maxClaim = 200;

/**
 * Claims tasks whenever it was woken and slots are free, one claim at a time. While claims come back full it goes on
 * as slots are freed; after one that was not full it sleeps until the next wake-up. Never polls.
 */
export class ClaimLoop<Claimed> {
  readonly #options: ClaimLoopOptions<Claimed>;
  /**
   * A claim is set off by what a task did last. In that task's context the tasks that it brings would count as begun by
   * that one, and a chain of tasks would hold each other in memory.
   */
  readonly #outsideTasks = AsyncLocalStorage.snapshot();
  #isWanted = false;
  /** Who woke it since the last claim began. */
  #waking: PromiseWithResolvers<boolean> | undefined;
  #isScheduled = false;
  #claiming: Promise<void> | undefined;
  #isStopped = false;
  /** The latest claim was answered, and not full. */
  #isCaughtUp = false;
  /** Of the claim in flight. */
  #limit = 0;

  constructor(options: ClaimLoopOptions<Claimed>) {
    this.#options = options;
  }

  /**
   * Tasks may be ready. Resolves when a claim that began after this has ended: true when it took all that it could, so
   * that there may be more. Never does once the loop is stopped.
   */
  wake(): Promise<boolean> {
    this.#isWanted = true;
    this.#waking ??= Promise.withResolvers();
    this.slotFreed();
    return this.#waking.promise;
  }

  /**
   * Free slots for which nothing waits, as far as it knows: the latest claim took all that there was. What the claim in
   * flight may bring, or the next one if it was woken, keeps its own.
   */
  get spare(): number {
    if (this.#isStopped || !this.#isCaughtUp) return 0;
    return Math.max(
      0,
      this.#options.free() - (this.#claiming === undefined ? Number(this.#isWanted) : this.#limit),
    );
  }

  /** Slots freed within one turn are claimed for together. */
  slotFreed(): void {
    if (!this.#isWanted || this.#isScheduled || this.#isStopped || this.#claiming !== undefined) return;
    this.#isScheduled = true;
    const claim = () => {
      this.#isScheduled = false;
      this.#claim();
    };
    const restMs = this.#options.restMs?.() ?? 0;
    if (restMs > 0) setTimeout(this.#outsideTasks, restMs, claim);
    else setImmediate(this.#outsideTasks, claim);
  }

  /** After it no task starts. Resolves when the claim in flight has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#claiming;
  }

  #claim(): void {
    const free = this.#options.free();
    if (this.#isStopped || this.#claiming !== undefined || free <= 0) return;
    const limit = Math.min(this.#isCaughtUp ? Math.ceil(free / 2) : free, maxClaim);
    this.#limit = limit;
    const waking = this.#waking;
    this.#isWanted = false;
    this.#waking = undefined;
    this.#claiming = this.#claimUpTo(limit).then((mayBeMore) => {
      waking?.resolve(mayBeMore);
      this.#claiming = undefined;
      this.slotFreed();
    });
  }

  /** Whether there may be more. Never rejects. */
  async #claimUpTo(limit: number): Promise<boolean> {
    try {
      const tasks = await this.#options.claim(limit);
      this.#isCaughtUp = tasks.length < limit;
      if (!this.#isCaughtUp) this.#isWanted = true;
      else if (tasks.length === 0) this.#options.onEmpty();
      for (const task of tasks) this.#options.start(task);
      return tasks.length === limit;
    } catch (error) {
      this.#isCaughtUp = false;
      this.#options.onError(error);
      return false;
    }
  }
}
