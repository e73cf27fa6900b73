import {
  type ChildRequest,
  type Decision,
  type Json,
  type Jsonify,
  type LogLevel,
  OpspawnError,
  type StepContext,
  type StepOptions,
  type Steps,
} from '@opspawn/agentkit';

type Branches = readonly (() => unknown)[];
type BranchResults<B extends Branches> = { -readonly [I in keyof B]: Awaited<ReturnType<B[I]>> };

export interface SignalOptions {
  /** Rejects with `timeout` when nothing was sent until then. Default: waits for ever. */
  timeoutMs?: number;
}

export interface ApprovalOptions {
  /** What the person is shown. */
  payload?: Json;
  /** Rejects with `timeout` when nobody has decided until then. Default: waits for ever. */
  timeoutMs?: number;
}

/**
 * What a durable function or workflow does its work with. All that is awaited here is recorded: after a crash, a
 * restart or a long wait the function is run again from its start and gets the same results in the same order, and only
 * what has no result yet is done. Between these calls a function must do nothing that another run could do otherwise:
 * no clock, no random numbers, no I/O of its own. A call is known by its branch, its name and how often that name was
 * used there before, so names are best constant.
 *
 * A cancel rejects every open call with `CancelledError`; what the function asks for after that runs as ever, so that it
 * can clean up, and the task is cancelled however the function ends. While it waits, a function is dropped without its
 * `catch` or `finally` being run.
 */
export interface Context {
  readonly taskId: string;
  /** Fires at a cancel, a deadline, a lost lease and a shutdown. */
  readonly abortSignal: AbortSignal;
  /**
   * Does a piece of work and records its result, which must be JSON or nothing. `effect` says what may happen after a
   * crash in its middle: `read` and `idempotent` (default) run again with the same `idempotencyKey`; `once` does not,
   * but is in doubt until its probe, its policy or a person decides. Rejects with `StepError` when all tries failed. What
   * the function of a step reads must not change after the call. A step inside a step is `nested_step`.
   */
  step<T>(
    name: string,
    fn: (step: StepContext) => T | Promise<T>,
    options?: StepOptions<T>,
  ): Promise<Jsonify<Awaited<T>>>;
  /** Runs an agent as a child task and gives its output. `input` is a prompt or what the agent's task takes. */
  agent(name: string, input: Json): Promise<Json>;
  /** Runs a function (default) or workflow as a child task and gives its output. */
  task(name: string, input?: Json, options?: { kind?: 'function' | 'workflow' }): Promise<Json | undefined>;
  /** Runs branches side by side. The first that rejects closes the others. */
  all<const B extends Branches>(branches: B): Promise<BranchResults<B>>;
  /**
   * Gives what the first branch to settle came to and closes the others: their steps are aborted, their waits take
   * nothing, their child tasks are cancelled, their code does not go on.
   */
  race<const B extends Branches>(branches: B): Promise<BranchResults<B>[number]>;
  /** Runs a branch for each item, at most `concurrency` (default: all) at once. The first that rejects closes the others. */
  map<Item, T>(
    items: readonly Item[],
    fn: (item: Item, index: number) => T | Promise<T>,
    options?: { concurrency?: number },
  ): Promise<T[]>;
  /** Holds no worker meanwhile. */
  sleep(ms: number): Promise<void>;
  /** Waits for a signal of this name and gives what was sent with it. One that came before is kept. */
  signal<T extends Json | undefined = Json | undefined>(name: string, options?: SignalOptions): Promise<T>;
  /** Waits for a person's decision. */
  approval(name: string, options?: ApprovalOptions): Promise<Decision>;
  /** Unix ms: when the last result was recorded. */
  now(): number;
  /** In [0, 1). */
  random(): number;
  /** Shaped like version 4. */
  uuid(): string;
  /** A line in the journal. Not awaited; written with the next entry. */
  log(level: LogLevel, message: string, fields?: Record<string, Json>): void;
}

export const createContext = (steps: Steps): Context => new StepsContext(steps);

class StepsContext implements Context {
  readonly #steps: Steps;

  constructor(steps: Steps) {
    this.#steps = steps;
  }

  get taskId(): string {
    return this.#steps.taskId;
  }

  get abortSignal(): AbortSignal {
    return this.#steps.signal;
  }

  step<T>(
    name: string,
    fn: (step: StepContext) => T | Promise<T>,
    options?: StepOptions<T>,
  ): Promise<Jsonify<Awaited<T>>> {
    // What a step gives is its result after a JSON round trip, which is what the type says.
    return this.#steps.run(name, fn, options) as Promise<unknown> as Promise<Jsonify<Awaited<T>>>;
  }

  async agent(name: string, input: Json): Promise<Json> {
    return (await this.#child({ kind: 'agent', name, input })) ?? null;
  }

  task(
    name: string,
    input?: Json,
    { kind = 'function' }: { kind?: 'function' | 'workflow' } = {},
  ): Promise<Json | undefined> {
    return this.#child({ kind, name, ...(input === undefined ? {} : { input }) });
  }

  async all<const B extends Branches>(branches: B): Promise<BranchResults<B>> {
    const results = await this.#side('all', branches.length, branches.length, (index) => branches[index]?.());
    return results as BranchResults<B>;
  }

  async race<const B extends Branches>(branches: B): Promise<BranchResults<B>[number]> {
    const set = this.#steps.branch('race', branches.length);
    // Closed by the branch that decides, in the turn in which it does, so that nothing else gets in between.
    const close = (): void => set.close();
    const results = branches.map((branch, index) => set.run(index, branch).finally(close));
    return (await Promise.race(results)) as BranchResults<B>[number];
  }

  map<Item, T>(
    items: readonly Item[],
    fn: (item: Item, index: number) => T | Promise<T>,
    { concurrency = items.length }: { concurrency?: number } = {},
  ): Promise<T[]> {
    return this.#side('map', items.length, concurrency, (index) => fn(items[index] as Item, index));
  }

  async sleep(ms: number): Promise<void> {
    checkDuration(ms);
    await this.#steps.wait({ kind: 'sleep', ms });
  }

  signal<T extends Json | undefined>(name: string, options: SignalOptions = {}): Promise<T> {
    checkDuration(options.timeoutMs ?? 0);
    return this.#steps.wait({ kind: 'signal', name, ...options }) as Promise<T>;
  }

  async approval(name: string, options: ApprovalOptions = {}): Promise<Decision> {
    checkDuration(options.timeoutMs ?? 0);
    return (await this.#steps.wait({ kind: 'approval', name, ...options })) as unknown as Decision;
  }

  now(): number {
    return this.#steps.now();
  }

  random(): number {
    return this.#steps.random();
  }

  uuid(): string {
    return this.#steps.uuid();
  }

  log(level: LogLevel, message: string, fields?: Record<string, Json>): void {
    this.#steps.log(level, message, fields);
  }

  #child(request: ChildRequest): Promise<Json | undefined> {
    return this.#steps.child(request);
  }

  /** Branches in lanes: a lane takes the next index when its branch is done. */
  async #side<T>(
    kind: 'all' | 'map',
    count: number,
    concurrency: number,
    run: (index: number) => T | Promise<T>,
  ): Promise<T[]> {
    const set = this.#steps.branch(kind, count);
    const results = new Array<T>(count);
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < count) {
        const index = next++;
        results[index] = await set.run(index, () => run(index));
      }
    };
    try {
      await Promise.all(Array.from({ length: Math.max(1, Math.min(concurrency, count)) }, lane));
      return results;
    } catch (thrown) {
      set.close();
      throw thrown;
    }
  }
}

/** Code without types passes what it likes, and a time that is none would be no end or an end at once. */
function checkDuration(ms: number): void {
  if (typeof ms === 'number' && !Number.isNaN(ms)) return;
  throw new OpspawnError('invalid_argument', `A time to wait is a number of ms, not ${String(ms)}`);
}
