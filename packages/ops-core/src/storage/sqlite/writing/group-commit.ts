import type { DatabaseSync } from 'node:sqlite';
import type { OpspawnError } from '@opspawn/agentkit/schema';
import { begin, newTurn, type Turn } from '../../turn.ts';
import type { StoreClock } from '../database/clock.ts';
import { databaseClosed, databaseUnavailable, isBroken, isBusy, refusalOf } from '../database/failure.ts';
import { prepare } from '../database/statement.ts';
import type { Wal } from '../database/wal.ts';
import type { Operation } from './store-access.ts';

/** Jobs of one transaction: what waits longer keeps the event loop for about 20 ms. */
const maxJobs = 1000;
/** Upper bound of the random pause before the lock is tried again. */
const maxRetryDelayMs = 10;

interface Job {
  readonly operation: Operation<never, unknown>;
  readonly argument: never;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

interface Committed {
  readonly turn: Turn;
  readonly results: readonly unknown[];
  /** Something was written. */
  readonly isChanged: boolean;
}

/** What a job came to that threw. */
class Failed {
  readonly error: OpspawnError;
  constructor(thrown: unknown) {
    this.error = refusalOf(thrown);
  }
}

export interface GroupCommitOptions {
  readonly clock: StoreClock;
  /** How long the lock may be held by others before callers get `unavailable`, in ms. */
  readonly giveUpAfterMs: number;
  /** Is synced after each commit. Absent: nothing is to be waited for. */
  readonly wal: Wal | undefined;
  /** Throws `unavailable` when what is written now would be lost with its file. */
  readonly checkPlace: () => void;
  /** Last of all in each transaction. */
  readonly settle: (turn: Turn) => void;
  readonly onCommit: (turn: Turn) => void;
}

/**
 * Runs what was asked for in one turn of the event loop as one transaction, and answers each caller after its commit
 * is on the disk. Nothing is awaited between BEGIN and COMMIT. A job that throws is undone and rejected alone.
 */
export class GroupCommit implements AsyncDisposable {
  readonly #begin;
  readonly #commit;
  readonly #rollback;
  readonly #savepoint;
  readonly #undo;
  readonly #release;
  readonly #totalChanges;
  readonly #database: DatabaseSync;
  readonly #options: GroupCommitOptions;
  #jobs: Job[] = [];
  readonly #lastJobs: Job[] = [];
  #isArmed = false;
  #onDisk: Promise<OpspawnError | undefined> | undefined;
  /** The disk failed: nothing more is promised to be durable until the database is opened anew. */
  #failure: OpspawnError | undefined;
  #isClosed = false;
  #lockedSince: number | undefined;
  #onIdle: (() => void) | undefined;

  constructor(database: DatabaseSync, options: GroupCommitOptions) {
    this.#database = database;
    this.#options = options;
    this.#begin = prepare<[]>(database, 'begin immediate');
    this.#commit = prepare<[]>(database, 'commit');
    this.#rollback = prepare<[]>(database, 'rollback');
    this.#savepoint = prepare<[]>(database, 'savepoint job');
    this.#undo = prepare<[]>(database, 'rollback to job');
    this.#release = prepare<[]>(database, 'release job');
    this.#totalChanges = prepare<[], [number]>(database, 'select total_changes()');
  }

  add<Argument, Result>(operation: Operation<Argument, Result>, argument: Argument): Promise<Result> {
    return this.#enqueue(this.#jobs, operation, argument);
  }

  /** The sync under way: resolves when all that is committed is on the disk, or with why it is not. */
  get onDisk(): Promise<OpspawnError | undefined> | undefined {
    return this.#onDisk;
  }

  /**
   * Runs behind all else of its transaction: a claim takes what was submitted in the same turn. It is answered while its
   * commit is `onDisk` only in part: who claims may begin to read, and all that he writes comes behind it.
   */
  addLast<Argument, Result>(operation: Operation<Argument, Result>, argument: Argument): Promise<Result> {
    return this.#enqueue(this.#lastJobs, operation, argument);
  }

  #enqueue<Argument, Result>(
    jobs: Job[],
    operation: Operation<Argument, Result>,
    argument: Argument,
  ): Promise<Result> {
    if (this.#isClosed) return Promise.reject(databaseClosed());
    return new Promise<Result>((resolve, reject) => {
      jobs.push({ operation, argument, resolve, reject } as unknown as Job);
      if (!this.#isArmed && this.#onDisk === undefined) this.#arm();
    });
  }

  /** Takes no more jobs and resolves when those that were taken are answered. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    if (!this.#isArmed && this.#onDisk === undefined) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #arm(): void {
    this.#isArmed = true;
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isArmed = false;
    const first = this.#jobs.splice(0, maxJobs);
    const last = this.#lastJobs.splice(0);
    const jobs = first.concat(last);
    const { wal } = this.#options;
    const committed = this.#run(jobs);
    if (committed?.isChanged === true && wal !== undefined)
      return void this.#sync(wal, first, last, committed);
    if (committed !== undefined) {
      begin(committed.turn);
      this.#answer(jobs, committed.results);
      this.#options.onCommit(committed.turn);
    }
    this.#goOn();
  };

  /** What is asked for meanwhile shares the next transaction. */
  async #sync(
    wal: Wal,
    jobs: readonly Job[],
    lastJobs: readonly Job[],
    { turn, results }: Committed,
  ): Promise<void> {
    this.#onDisk = wal.sync().then(() => undefined, databaseUnavailable);
    begin(turn, this.#onDisk);
    this.#answer(lastJobs, results.slice(jobs.length));
    // A later sync that succeeds would not bring back what this one has dropped.
    this.#failure = await this.#onDisk;
    this.#onDisk = undefined;
    if (this.#failure === undefined) {
      this.#answer(jobs, results);
      this.#options.onCommit(turn);
    } else this.#refuse(jobs, this.#failure);
    this.#goOn();
  }

  #refuse(jobs: readonly Job[], error: OpspawnError): void {
    for (const job of jobs) job.reject(error);
  }

  #goOn(): void {
    if (this.#jobs.length + this.#lastJobs.length > 0 && !this.#isArmed) this.#arm();
    if (!this.#isArmed) this.#onIdle?.();
  }

  /** undefined: nothing was written, and the jobs are rejected or will be tried again. */
  #run(jobs: readonly Job[]): Committed | undefined {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      this.#options.checkPlace();
      const committed = this.#commitTogether(jobs);
      this.#lockedSince = undefined;
      return committed;
    } catch (thrown) {
      this.#abort();
      if (!this.#retry(jobs, thrown)) this.#refuse(jobs, databaseUnavailable(thrown));
      return undefined;
    }
  }

  /** Throws only what is wrong with the database or its lock. */
  #commitTogether(jobs: readonly Job[]): Committed {
    try {
      return this.#transaction((turn) => jobs.map((job) => job.operation(turn, job.argument)));
    } catch (thrown) {
      if (isBusy(thrown) || isBroken(thrown)) throw thrown;
      this.#abort();
      return this.#transaction((turn) => jobs.map((job) => this.#runAlone(turn, job)));
    }
  }

  #answer(jobs: readonly Job[], results: readonly unknown[]): void {
    for (let index = 0; index < jobs.length; index += 1) {
      const job = jobs[index] as Job;
      const result = results[index];
      if (result instanceof Failed) job.reject(result.error);
      else job.resolve(result);
    }
  }

  #transaction(work: (turn: Turn) => unknown[]): Committed {
    this.#begin.get();
    const changesBefore = this.#totalChanges.get()?.[0];
    const turn = newTurn(this.#options.clock.now());
    const results = work(turn);
    this.#options.settle(turn);
    // A transaction that changed nothing costs no write, as long as it does not set the time.
    const isChanged = this.#totalChanges.get()?.[0] !== changesBefore;
    if (isChanged) this.#options.clock.keep(turn.at);
    this.#commit.get();
    return { turn, results, isChanged };
  }

  #runAlone(turn: Turn, job: Job): unknown {
    const unsettled = [...turn.unsettled];
    this.#savepoint.get();
    try {
      const result = job.operation(turn, job.argument);
      this.#release.get();
      return result;
    } catch (thrown) {
      if (isBusy(thrown) || isBroken(thrown)) throw thrown;
      this.#undo.get();
      this.#release.get();
      // What the job had settled is undone with it.
      for (const key of unsettled) turn.unsettled.add(key);
      return new Failed(thrown);
    }
  }

  #abort(): void {
    try {
      if (this.#database.isTransaction) this.#rollback.get();
    } catch {
      // What broke the transaction is reported; the next BEGIN says whether the database works again.
    }
  }

  /** Whether these jobs are to be tried again; when so, they come first. */
  #retry(jobs: readonly Job[], thrown: unknown): boolean {
    if (!isBusy(thrown)) return false;
    const now = performance.now();
    this.#lockedSince ??= now;
    if (now - this.#lockedSince > this.#options.giveUpAfterMs) {
      this.#lockedSince = undefined;
      return false;
    }
    this.#jobs.unshift(...jobs);
    this.#isArmed = true;
    setTimeout(this.#flush, Math.random() * maxRetryDelayMs);
    return true;
  }
}
