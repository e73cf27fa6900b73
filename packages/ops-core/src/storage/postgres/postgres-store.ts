import { OpspawnError } from '@opspawn/agentkit/schema';
import type { ClaimRequest } from '../claim-request.ts';
import type { ApiKeyRow } from '../parts/api-keys.ts';
import type { DefinitionRow } from '../parts/definitions.ts';
import type { FailureFilter, FailureGroup } from '../parts/failures.ts';
import type { LimitSetting, LimitState, Standing } from '../parts/flow-control.ts';
import type { PurgeRequest, PurgeResult } from '../parts/housekeeping.ts';
import type { StoredMemories } from '../parts/memories.ts';
import type { ProviderBudgetStore } from '../parts/provider-budgets.ts';
import { emptyQueue, type NamespaceWeights, type QueueChange, type QueueState } from '../parts/queues.ts';
import type { SessionRun } from '../parts/sessions.ts';
import type { SpendingStore } from '../parts/spending.ts';
import type { TaskBudgetStore } from '../parts/task-budgets.ts';
import type { NewToolPins, ToolPinChoice } from '../parts/tool-pins.ts';
import { toFailureGroup } from '../rows/failure-group.ts';
import { idSlackMs } from '../rows/id-time.ts';
import { entryOf } from '../rows/journal-entry.ts';
import { toSessionRun } from '../rows/session-run.ts';
import { toToolPin, toToolPinState } from '../rows/tool-pin.ts';
import type {
  ClaimedTask,
  EntryRow,
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
import { announce, begin, newTurn } from '../turn.ts';
import { StoreClock } from './database/clock.ts';
import type { Connections, Run, Statement } from './database/connections.ts';
import { databaseClosed, refusalOf } from './database/failure.ts';
import { checkStillHere } from './database/moved.ts';
import { isUuid, nilUuid, toText, uuidAt } from './database/text.ts';
import { Vacuum } from './database/vacuum.ts';
import { addApiKey, allApiKeys, apiKeyById, removeApiKey, toApiKey } from './parts/api-keys.ts';
import { definitionsOf, encodeDefinitions, registerDefinitions, toDefinition } from './parts/definitions.ts';
import {
  encodeLimit,
  limitKeysOf,
  limitOf,
  limitsOf,
  removeLimit,
  setLimit,
  toLimitState,
} from './parts/limit-settings.ts';
import { openMemories } from './parts/memories.ts';
import {
  allNamespaces,
  definitionsGone,
  pendingOfNamespace,
  setSettingsOfNamespace,
  settingsOfNamespace,
  submittedOfNamespace,
} from './parts/namespaces.ts';
import { openProviderBudgets } from './parts/provider-budgets.ts';
import { encodePurge, purge, toPurgeResult } from './parts/purge.ts';
import {
  allWeights,
  changeQueue,
  encodeQueueChange,
  queuesOf,
  toNamespaceWeights,
  toQueueState,
} from './parts/queues.ts';
import { appendSession, encodeSessionRun, sessionRuns } from './parts/sessions.ts';
import { openSpending } from './parts/spending.ts';
import { openTaskBudgets } from './parts/task-budgets.ts';
import {
  decideToolPins,
  encodeNewToolPins,
  encodeToolPinChoice,
  recordToolPins,
  toolPinStates,
  toolPinsOf,
} from './parts/tool-pins.ts';
import { encodeFailureFilter, failureGroups } from './reading/failures.ts';
import { openInboxes } from './reading/inboxes.ts';
import { journalOf, lastDecisionOf, toDecision } from './reading/journal-view.ts';
import { standingOf, toStanding } from './reading/standing.ts';
import { taskIdList, taskList } from './reading/task-list.ts';
import { taskById, toTask } from './reading/task-view.ts';
import { Claims } from './scheduling/claims.ts';
import { renewLease } from './scheduling/lease.ts';
import {
  encodeHeld,
  encodeWorker,
  giveBackOthers,
  promoteDue,
  registerWorker,
  removeWorker,
  sweep,
} from './scheduling/workers.ts';
import { noteTold, type Told } from './writing/write-all.ts';
import { Writes } from './writing/writes.ts';

/** Rows of the queue in which one sweep looks for attempts beyond their deadline; the next one goes on behind them. */
const rowsPerSweep = 5000;

/** The store over the connections, which it closes at its end. */
export class PostgresStore implements Store {
  readonly memories: StoredMemories;
  readonly providers: ProviderBudgetStore;
  readonly budgets: TaskBudgetStore;
  readonly spending: SpendingStore;
  readonly inbox: Store['inbox'];
  readonly #connections: Connections;
  readonly #clock = new StoreClock();
  readonly #asRun: Run = (...query) => this.#run(...query);
  readonly #writes: Writes;
  readonly #vacuum: Vacuum;
  readonly #listeners: StoreListener[] = [];
  #sweptUpTo = nilUuid;
  readonly #claims: Claims;
  #isClosed = false;

  constructor(connections: Connections) {
    this.#connections = connections;
    const run = this.#asRun;
    this.memories = openMemories(run);
    this.providers = openProviderBudgets(run, this.#clock);
    this.budgets = openTaskBudgets(run);
    this.spending = openSpending(run);
    this.inbox = openInboxes(run);
    this.#vacuum = new Vacuum(connections);
    this.#claims = new Claims({
      run: (query, values) => this.#run('claims', query, values),
      clock: this.#clock,
      onClaim: (turn) => announce(turn, this.#listeners),
    });
    this.#writes = new Writes({
      connections,
      listeners: this.#listeners,
      clock: this.#clock,
      onCommit: (turn) => {
        this.#vacuum.noteWrite();
        begin(turn);
        announce(turn, this.#listeners);
      },
    });
  }

  listen(listener: StoreListener): void {
    this.#listeners.push(listener);
  }

  async write<W extends Write>(write: W): Promise<WriteResults[W['op']]> {
    if ('spending' in write) await this.spending.record(write.spending);
    if (this.#isClosed) throw databaseClosed();
    return this.#writes.write(write);
  }

  async submitMany(tasks: readonly NewTask[]): Promise<readonly SubmitResult[]> {
    if (this.#isClosed) throw databaseClosed();
    return this.#writes.submitMany(tasks);
  }

  claim(request: ClaimRequest): Promise<readonly ClaimedTask[]> {
    return this.#claims.claim(request);
  }

  async promoteDue(limit: number): Promise<number | undefined> {
    const { next = null, overdue = [] } = (await this.#tell(promoteDue, [limit])) ?? {};
    if (overdue.length > 0) await this.#writes.expire(overdue);
    return next ?? undefined;
  }

  async task(namespace: string, taskId: string): Promise<TaskRow | undefined> {
    if (!isUuid(taskId)) return undefined;
    return (await this.#run('reads', taskById, [namespace, taskId])).map(toTask)[0];
  }

  async tasks(filter: TaskFilter, page: TaskPage): Promise<readonly TaskRow[]> {
    const { query, parameters } = taskList(filter, page);
    return (await this.#run('reads', query, parameters)).map(toTask);
  }

  async taskIds(filter: TaskFilter, page: TaskPage): Promise<readonly string[]> {
    const { query, parameters } = taskIdList(filter, page);
    return (await this.#run('reads', query, parameters)).map(([id]) => id);
  }

  async failures(filter: FailureFilter, limit: number): Promise<readonly FailureGroup[]> {
    return (await this.#run('reads', failureGroups, encodeFailureFilter(filter, limit))).map(toFailureGroup);
  }

  async journal(taskId: string, after: number, limit: number): Promise<readonly EntryRow[]> {
    if (!isUuid(taskId)) return [];
    return (await this.#run('reads', journalOf, [taskId, after, limit])).map(entryOf);
  }

  async lastDecision(taskId: string, key: string): ReturnType<Store['lastDecision']> {
    if (!isUuid(taskId)) return undefined;
    return (await this.#run('reads', lastDecisionOf, [taskId, toText(key)])).map(toDecision)[0];
  }

  async addApiKey(...[key, { onlyFirst }]: Parameters<Store['addApiKey']>): Promise<boolean> {
    const { id, namespace, name, digest } = key;
    const rows = await this.#run('writes', addApiKey, [id, namespace, toText(name), digest, onlyFirst]);
    return rows.length === 1;
  }

  async apiKey(id: string): Promise<ApiKeyRow | undefined> {
    return (await this.#run('reads', apiKeyById, [id])).map(toApiKey)[0];
  }

  async apiKeys(): Promise<readonly ApiKeyRow[]> {
    return (await this.#run('reads', allApiKeys, [])).map(toApiKey);
  }

  async removeApiKey(id: string): Promise<boolean> {
    return (await this.#run('writes', removeApiKey, [id])).length === 1;
  }

  async registerWorker(worker: WorkerInfo, leaseTtlMs: number): Promise<void> {
    const rows = await this.#run('writes', registerWorker, encodeWorker(worker, leaseTtlMs));
    if (rows.length === 0)
      throw new OpspawnError('invalid_argument', `Worker id ${worker.id} is in use by another process`);
  }

  async renewLease(workerId: string, leaseTtlMs: number): Promise<boolean> {
    return (await this.#run('writes', renewLease, [workerId, leaseTtlMs])).length === 1;
  }

  async removeWorker(workerId: string): Promise<void> {
    await this.#tell(removeWorker, [workerId]);
    this.#claims.forget(workerId);
  }

  async giveBackOthers(workerId: string, held: Parameters<Store['giveBackOthers']>[1]): Promise<number> {
    return (await this.#tell(giveBackOthers, [workerId, ...encodeHeld(held)]))?.count ?? 0;
  }

  async sweep(limit: number): Promise<number> {
    const swept = await this.#tell(sweep, [limit, rowsPerSweep, this.#sweptUpTo]);
    const count = swept?.count ?? 0;
    if (count < limit) this.#sweptUpTo = swept?.behind ?? nilUuid;
    return count;
  }

  async registerDefinitions(definitions: readonly DefinitionRow[]): Promise<void> {
    await this.#run('writes', registerDefinitions, encodeDefinitions(definitions));
  }

  async removeDefinitions(namespace: string): Promise<void> {
    await this.#run('writes', definitionsGone, [namespace]);
  }

  async definitions(namespace: string): Promise<readonly DefinitionRow[]> {
    return (await this.#run('reads', definitionsOf, [namespace])).map(toDefinition);
  }

  async appendSession(namespace: string, sessionId: string, run: SessionRun): Promise<void> {
    await this.#run('writes', appendSession, encodeSessionRun(namespace, sessionId, run));
  }

  async session(namespace: string, sessionId: string): Promise<readonly SessionRun[]> {
    return (await this.#run('reads', sessionRuns, [namespace, toText(sessionId)])).map(toSessionRun);
  }

  async namespaces(): Promise<readonly string[]> {
    return (await this.#run('reads', allNamespaces, [])).map(([namespace]) => namespace);
  }

  async namespaceSettings(namespace: string): Promise<string | undefined> {
    return (await this.#run('reads', settingsOfNamespace, [namespace]))[0]?.[0];
  }

  async setNamespaceSettings(namespace: string, settings: string, earlier?: string): Promise<boolean> {
    const values = [namespace, toText(settings), earlier === undefined ? null : toText(earlier)];
    return (await this.#run('writes', setSettingsOfNamespace, values)).length > 0;
  }

  async pending(namespace: string, limit: number): Promise<number> {
    return (await this.#run('reads', pendingOfNamespace, [namespace, limit]))[0]?.[0] ?? 0;
  }

  async submitted(namespace: string, since: number, limit: number) {
    const values = [namespace, uuidAt(since - idSlackMs), since, limit];
    const [[count = 0, firstAt] = []] = await this.#run('reads', submittedOfNamespace, values);
    return { count, ...(typeof firstAt === 'number' ? { firstAt } : {}) };
  }

  async queues(namespace: string): Promise<readonly QueueState[]> {
    return (await this.#run('reads', queuesOf, [namespace, null])).map(toQueueState);
  }

  async queue(namespace: string, name: string): Promise<QueueState> {
    return (await this.#run('reads', queuesOf, [namespace, name])).map(toQueueState)[0] ?? emptyQueue(name);
  }

  async changeQueue(namespace: string, name: string, change: QueueChange): Promise<void> {
    await this.#tell(changeQueue, encodeQueueChange(namespace, name, change));
  }

  async weights(): Promise<readonly NamespaceWeights[]> {
    return (await this.#run('reads', allWeights, [])).map(toNamespaceWeights);
  }

  async purge(request: PurgeRequest): Promise<PurgeResult> {
    return toPurgeResult((await this.#run('writes', purge, encodePurge(request)))[0]);
  }

  async toolPinStates(namespace: string, server: string): ReturnType<Store['toolPinStates']> {
    return (await this.#run('reads', toolPinStates, [namespace, toText(server)])).map(toToolPinState);
  }

  async recordToolPins(pins: NewToolPins): Promise<void> {
    await this.#run('writes', recordToolPins, encodeNewToolPins(pins));
  }

  async toolPins(namespace: string, server?: string): ReturnType<Store['toolPins']> {
    const wanted = server === undefined ? null : toText(server);
    return (await this.#run('reads', toolPinsOf, [namespace, wanted])).map(toToolPin);
  }

  async decideToolPins(choice: ToolPinChoice): ReturnType<Store['decideToolPins']> {
    return (await this.#run('writes', decideToolPins, encodeToolPinChoice(choice))).map(toToolPin);
  }

  async standing(namespace: string, taskId: string): Promise<Standing | undefined> {
    if (!isUuid(taskId)) return undefined;
    const [row] = await this.#run('reads', standingOf, [namespace, taskId]);
    if (row === undefined) return undefined;
    const key = row[3];
    return toStanding(row, key === null ? undefined : await this.limit(namespace, key));
  }

  async limitKeys(namespace: string): Promise<readonly string[]> {
    return (await this.#run('reads', limitKeysOf, [namespace])).map(([key]) => key);
  }

  async setLimit(namespace: string, setting: LimitSetting): Promise<void> {
    await this.#tell(setLimit, encodeLimit(namespace, setting));
  }

  async removeLimit(namespace: string, key: string): Promise<boolean> {
    return (await this.#tell(removeLimit, [namespace, toText(key)]))?.isRemoved === true;
  }

  async limits(namespace: string): Promise<readonly LimitState[]> {
    return (await this.#run('reads', limitsOf, [namespace])).map(toLimitState);
  }

  async limit(namespace: string, key: string): Promise<LimitState> {
    const rows = await this.#run('reads', limitOf, [namespace, toText(key)]);
    return rows.map(toLimitState)[0] ?? { key, running: 0, waiting: 0, holders: [] };
  }

  async checkWritable(): Promise<void> {
    await checkStillHere(this.#asRun);
    await this.#connections.checkRoom();
  }

  now(): Promise<number> {
    return this.#clock.now(this.#asRun);
  }

  /** Answers what was written before, and closes the connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#writes[Symbol.asyncDispose]();
    await this.#vacuum[Symbol.asyncDispose]();
    await this.#connections[Symbol.asyncDispose]();
  }

  async #run<Row>(
    purpose: 'writes' | 'claims' | 'reads',
    query: Statement<Row>,
    values: readonly unknown[],
  ): Promise<Row[]> {
    try {
      return await this.#connections.run(purpose, query, values);
    } catch (thrown) {
      throw refusalOf(thrown);
    }
  }

  /** Calls a function that tells what it did, and passes it on. */
  async #tell<Answer extends Told>(
    query: Statement<[Answer]>,
    values: readonly unknown[],
  ): Promise<Answer | undefined> {
    const answer = (await this.#run('writes', query, [this.#clock.floor, ...values]))[0]?.[0];
    if (answer === undefined) return undefined;
    this.#clock.note(answer.at);
    const turn = newTurn(answer.at);
    noteTold(turn, answer.told);
    announce(turn, this.#listeners);
    return answer;
  }
}
