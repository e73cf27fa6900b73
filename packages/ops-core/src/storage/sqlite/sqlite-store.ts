import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClaimRequest } from '../claim-request.ts';
import { offerFor } from '../offers.ts';
import type { ApiKeyRow } from '../parts/api-keys.ts';
import type { DefinitionRow } from '../parts/definitions.ts';
import type { FailureFilter, FailureGroup } from '../parts/failures.ts';
import type { LimitSetting, LimitState, Standing } from '../parts/flow-control.ts';
import type { PurgeRequest, PurgeResult } from '../parts/housekeeping.ts';
import type { StoredMemories } from '../parts/memories.ts';
import type { ProviderBudgetStore } from '../parts/provider-budgets.ts';
import type { NamespaceWeights, QueueChange, QueueState } from '../parts/queues.ts';
import type { SessionRun } from '../parts/sessions.ts';
import type { SpendingStore } from '../parts/spending.ts';
import type { TaskBudgetStore } from '../parts/task-budgets.ts';
import type { NewToolPins, ToolPinChoice } from '../parts/tool-pins.ts';
import type {
  ClaimedTask,
  EntryRow,
  InboxRow,
  NewTask,
  Store,
  StoreListener,
  SubmitResult,
  TaskFilter,
  TaskPage,
  TaskRow,
  WorkerInfo,
  Write,
  WriteResults,
} from '../store.ts';
import { announce } from '../turn.ts';
import { StoreClock } from './database/clock.ts';
import { databaseClosed, databaseUnavailable, isBusy } from './database/failure.ts';
import { checkStillHere } from './database/moved.ts';
import type { Wal } from './database/wal.ts';
import { type Operations, prepareOperations } from './operations.ts';
import { prepareApiKeys } from './parts/api-keys.ts';
import { prepareDefinitions } from './parts/definitions.ts';
import { prepareLimitView } from './parts/limit-settings.ts';
import { openMemories } from './parts/memories.ts';
import { prepareNamespaces } from './parts/namespaces.ts';
import { openProviderBudgets } from './parts/provider-budgets.ts';
import { prepareQueues } from './parts/queues.ts';
import { prepareSession } from './parts/sessions.ts';
import { openSpending } from './parts/spending.ts';
import { openTaskBudgets } from './parts/task-budgets.ts';
import { prepareToolPins } from './parts/tool-pins.ts';
import { prepareFailures } from './reading/failures.ts';
import { prepareInboxView, prepareJournalView, prepareLastDecision } from './reading/journal-view.ts';
import { prepareStanding } from './reading/standing.ts';
import { prepareTaskView } from './reading/task-view.ts';
import type { LeaseClock } from './scheduling/lease.ts';
import { GroupCommit } from './writing/group-commit.ts';
import type { Operation, StoreAccess } from './writing/store-access.ts';

export interface SqliteStoreParts {
  readonly now: () => number;
  readonly giveUpAfterMs: number;
  readonly leaseClock: LeaseClock;
  /** The extension sqlite-vec is loaded. */
  readonly hasVectorSearch: boolean;
  /** Absent: what is committed is as durable as it gets. */
  readonly wal: Wal | undefined;
  /** See `watchPlace`. Absent: there is no file. */
  readonly checkPlace?: () => void;
}

/** How long a read waits before it tries again when the file is locked, in ms. */
const readRetryMs = 5;

/** The store over one connection, which it closes at its end. */
export class SqliteStore implements Store {
  readonly memories: StoredMemories;
  readonly providers: ProviderBudgetStore;
  readonly budgets: TaskBudgetStore;
  readonly spending: SpendingStore;
  readonly #database: DatabaseSync;
  readonly #options: SqliteStoreParts;
  readonly #operations: Operations;
  readonly #clock: StoreClock;
  readonly #commit: GroupCommit;
  readonly #views;
  readonly #listeners: StoreListener[] = [];

  constructor(database: DatabaseSync, options: SqliteStoreParts) {
    this.#database = database;
    this.#options = options;
    this.#operations = prepareOperations(database, options.leaseClock);
    this.#clock = new StoreClock(database, options.now);
    this.#commit = new GroupCommit(database, {
      clock: this.#clock,
      giveUpAfterMs: options.giveUpAfterMs,
      wal: options.wal,
      checkPlace: options.checkPlace ?? (() => {}),
      settle: this.#operations.settle,
      onCommit: (turn) => announce(turn, this.#listeners),
    });
    const limitView = prepareLimitView(database);
    this.#views = {
      ...prepareTaskView(database),
      ...prepareNamespaces(database),
      ...prepareApiKeys(database),
      ...prepareQueues(database, options.leaseClock),
      failures: prepareFailures(database),
      journal: prepareJournalView(database),
      inbox: prepareInboxView(database),
      lastDecision: prepareLastDecision(database),
      definitions: prepareDefinitions(database),
      session: prepareSession(database),
      ...prepareToolPins(database),
      ...limitView,
      standing: prepareStanding(database, {
        clock: options.leaseClock,
        now: () => this.#clock.now(),
        ...limitView,
      }),
    };
    const access: StoreAccess = {
      write: (operation, argument) => this.#commit.add(operation, argument),
      read: (read) => this.#read(read),
      now: () => this.#clock.now(),
    };
    this.memories = openMemories(database, options.hasVectorSearch, access);
    this.providers = openProviderBudgets(database, access);
    this.budgets = openTaskBudgets(database, access);
    this.spending = openSpending(database, access);
  }

  listen(listener: StoreListener): void {
    this.#listeners.push(listener);
  }

  write<W extends Write>(write: W): Promise<WriteResults[W['op']]> {
    if (write.op === 'submit') return this.#submit(write.task) as Promise<WriteResults[W['op']]>;
    const operation = this.#operations.writes[write.op] as unknown as Operation<W, WriteResults[W['op']]>;
    const told = 'spending' in write ? this.spending.record(write.spending) : undefined;
    const written = this.#commit.add(operation, write);
    return told === undefined ? written : Promise.all([written, told]).then(([result]) => result);
  }

  async #submit(task: NewTask): Promise<SubmitResult> {
    const offer = offerFor(task, this.#listeners);
    const submitted = this.#commit.add(this.#operations.submit, { task, offer });
    if (offer === undefined) return submitted;
    let isUnclear = true;
    try {
      const result = await submitted;
      isUnclear = false;
      return result;
    } finally {
      offer.end(isUnclear);
    }
  }

  submitMany(tasks: readonly NewTask[]): Promise<readonly SubmitResult[]> {
    return this.#commit.add(this.#operations.submitMany, tasks);
  }

  async claim(request: ClaimRequest): Promise<readonly ClaimedTask[]> {
    const claimed = await this.#commit.addLast(this.#operations.claim, request);
    const { onDisk } = this.#commit;
    if (onDisk !== undefined) for (const task of claimed) task.onDisk = onDisk;
    return claimed;
  }

  promoteDue(limit: number): Promise<number | undefined> {
    return this.#commit.add(this.#operations.promoteDue, limit);
  }

  task(namespace: string, taskId: string): Promise<TaskRow | undefined> {
    return this.#read(() => this.#views.task(namespace, taskId));
  }

  tasks(filter: TaskFilter, page: TaskPage): Promise<readonly TaskRow[]> {
    return this.#read(() => this.#views.tasks(filter, page));
  }

  taskIds(filter: TaskFilter, page: TaskPage): Promise<readonly string[]> {
    return this.#read(() => this.#views.taskIds(filter, page));
  }

  failures(filter: FailureFilter, limit: number): Promise<readonly FailureGroup[]> {
    return this.#read(() => this.#views.failures(filter, limit));
  }

  journal(taskId: string, after: number, limit: number): Promise<readonly EntryRow[]> {
    return this.#read(() => this.#views.journal(taskId, after, limit));
  }

  inbox(taskId: string): Promise<readonly InboxRow[]> {
    return this.#read(() => this.#views.inbox(taskId));
  }

  lastDecision(taskId: string, key: string): ReturnType<Store['lastDecision']> {
    return this.#read(() => this.#views.lastDecision(taskId, key));
  }

  addApiKey(key: Omit<ApiKeyRow, 'createdAt'>, { onlyFirst }: { onlyFirst: boolean }): Promise<boolean> {
    return this.#commit.add(this.#operations.addApiKey, { key, onlyFirst });
  }

  apiKey(id: string): Promise<ApiKeyRow | undefined> {
    return this.#read(() => this.#views.apiKey(id));
  }

  apiKeys(): Promise<readonly ApiKeyRow[]> {
    return this.#read(() => this.#views.apiKeys());
  }

  removeApiKey(id: string): Promise<boolean> {
    return this.#commit.add(this.#operations.removeApiKey, id);
  }

  registerWorker(worker: WorkerInfo, leaseTtlMs: number): Promise<void> {
    return this.#commit.add(this.#operations.registerWorker, { worker, leaseTtlMs });
  }

  renewLease(workerId: string, leaseTtlMs: number): Promise<boolean> {
    return this.#commit.add(this.#operations.renewLease, { workerId, leaseTtlMs });
  }

  removeWorker(workerId: string): Promise<void> {
    return this.#commit.add(this.#operations.removeWorker, workerId);
  }

  giveBackOthers(workerId: string, held: Parameters<Store['giveBackOthers']>[1]): Promise<number> {
    return this.#commit.add(this.#operations.giveBackOthers, { workerId, held });
  }

  async sweep(limit: number): Promise<number> {
    const gone = await this.#read(this.#operations.findGone);
    return this.#commit.add(this.#operations.sweep, { limit, gone });
  }

  registerDefinitions(definitions: readonly DefinitionRow[]): Promise<void> {
    return this.#commit.add(this.#operations.registerDefinitions, definitions);
  }

  removeDefinitions(namespace: string): Promise<void> {
    return this.#commit.add(this.#operations.removeDefinitions, namespace);
  }

  definitions(namespace: string): Promise<readonly DefinitionRow[]> {
    return this.#read(() => this.#views.definitions(namespace));
  }

  appendSession(namespace: string, sessionId: string, run: SessionRun): Promise<void> {
    return this.#commit.add(this.#operations.appendSession, { namespace, sessionId, run });
  }

  session(namespace: string, sessionId: string): Promise<readonly SessionRun[]> {
    return this.#read(() => this.#views.session(namespace, sessionId));
  }

  namespaces(): Promise<readonly string[]> {
    return this.#read(() => this.#views.namespaces());
  }

  namespaceSettings(namespace: string): Promise<string | undefined> {
    return this.#read(() => this.#views.namespaceSettings(namespace));
  }

  setNamespaceSettings(namespace: string, settings: string, earlier?: string): Promise<boolean> {
    return this.#commit.add(this.#operations.setNamespaceSettings, { namespace, settings, earlier });
  }

  pending(namespace: string, limit: number): Promise<number> {
    return this.#read(() => this.#views.pending(namespace, limit));
  }

  submitted(namespace: string, since: number, limit: number) {
    return this.#read(() => this.#views.submitted(namespace, since, limit));
  }

  queues(namespace: string): Promise<readonly QueueState[]> {
    return this.#read(() => this.#views.queues(namespace));
  }

  queue(namespace: string, name: string): Promise<QueueState> {
    return this.#read(() => this.#views.queue(namespace, name));
  }

  changeQueue(namespace: string, name: string, change: QueueChange): Promise<void> {
    return this.#commit.add(this.#operations.changeQueue, { namespace, name, change });
  }

  weights(): Promise<readonly NamespaceWeights[]> {
    return this.#read(() => this.#views.weights());
  }

  purge(request: PurgeRequest): Promise<PurgeResult> {
    return this.#commit.add(this.#operations.purge, request);
  }

  toolPinStates(namespace: string, server: string): ReturnType<Store['toolPinStates']> {
    return this.#read(() => this.#views.toolPinStates(namespace, server));
  }

  recordToolPins(pins: NewToolPins): Promise<void> {
    return this.#commit.add(this.#operations.recordToolPins, pins);
  }

  toolPins(namespace: string, server?: string): ReturnType<Store['toolPins']> {
    return this.#read(() => this.#views.toolPins(namespace, server ?? null));
  }

  decideToolPins(choice: ToolPinChoice): ReturnType<Store['decideToolPins']> {
    return this.#commit.add(this.#operations.decideToolPins, choice);
  }

  standing(namespace: string, taskId: string): Promise<Standing | undefined> {
    return this.#read(() => this.#views.standing(namespace, taskId));
  }

  limitKeys(namespace: string): Promise<readonly string[]> {
    return this.#read(() => this.#views.limitKeys(namespace));
  }

  setLimit(namespace: string, setting: LimitSetting): Promise<void> {
    return this.#commit.add(this.#operations.setLimit, { namespace, setting });
  }

  removeLimit(namespace: string, key: string): Promise<boolean> {
    return this.#commit.add(this.#operations.removeLimit, { namespace, key });
  }

  limits(namespace: string): Promise<readonly LimitState[]> {
    return this.#read(() => this.#views.limits(namespace));
  }

  limit(namespace: string, key: string): Promise<LimitState> {
    return this.#read(() => this.#views.limit(namespace, key));
  }

  async checkWritable(): Promise<void> {
    await this.#read(() => checkStillHere(this.#database));
    // Only a write, if one of the time alone, tells a full or failed disk and a lock that somebody keeps.
    await this.#commit.add(({ at }) => this.#clock.keep(at), undefined);
  }

  now(): Promise<number> {
    return this.#read(() => this.#clock.now());
  }

  /** Answers what was written before, and closes the database. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#commit[Symbol.asyncDispose]();
    if (!this.#database.isOpen) return;
    this.#database.close();
    this.#options.wal?.[Symbol.dispose]();
  }

  /** Runs a read of several statements on one state of the database. Throws `unavailable`. */
  async #read<Result>(read: () => Result): Promise<Result> {
    const giveUpAt = performance.now() + this.#options.giveUpAfterMs;
    for (;;) {
      if (!this.#database.isOpen) throw databaseClosed();
      try {
        return this.#snapshot(read);
      } catch (thrown) {
        if (!isBusy(thrown) || performance.now() > giveUpAt) throw databaseUnavailable(thrown);
        await sleep(readRetryMs);
      }
    }
  }

  #snapshot<Result>(read: () => Result): Result {
    this.#options.checkPlace?.();
    this.#database.exec('begin');
    try {
      return read();
    } finally {
      this.#database.exec('commit');
    }
  }
}
