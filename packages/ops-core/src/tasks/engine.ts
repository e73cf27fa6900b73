import { type Json, OpspawnError } from '@opspawn/agentkit';
import type {
  CreateTask,
  DecideMcpTools,
  Definition,
  Entry,
  Failure,
  Limit,
  McpTool,
  NamespaceSettings,
  Queue,
  Readiness,
  Resolution,
  Task,
  UpdateQueue,
  Why,
} from '@opspawn/sdk';
import type { Principal } from '../auth/principal.ts';
import type { Bus } from '../broker/bus.ts';
import { newId } from '../domain/new-id.ts';
import { throwUnderPath } from '../domain/under-path.ts';
import { storePins } from '../mcp/store-pins.ts';
import { decideMcpTools, listMcpTools, type McpToolQuery } from '../mcp/tool-decisions.ts';
import type { LimitSetting, Standing } from '../storage/parts/flow-control.ts';
import type { InboxItem, NewTask, Store, SubmitResult, TaskRow } from '../storage/store.ts';
import { actOnMany } from './bulk.ts';
import { newTask } from './create-task.ts';
import { decideRequest, type Redact, type SaidOfRequest } from './decisions.ts';
import { DefinitionCatalog } from './definitions/catalog.ts';
import type {
  BulkAction,
  BulkRequest,
  BulkResult,
  DecisionRequest,
  Engine,
  FailureQuery,
  Followed,
  SignalRequest,
  SubmitOutcome,
  TaskQuery,
} from './engine-interface.ts';
import { followTask } from './follow.ts';
import { NamespaceSettingsCache } from './namespace-settings.ts';
import { Providers } from './providers.ts';
import { queueChange, viewQueue } from './queue-view.ts';
import { QuotaGuard } from './quotas.ts';
import { Sessions } from './sessions.ts';
import { budgetStanding } from './task-budget.ts';
import {
  parseTaskOptions,
  UsageSum,
  viewEntry,
  viewFailure,
  viewLimit,
  viewNewTask,
  viewTask,
} from './task-view.ts';
import { explainTask } from './why.ts';

interface EngineOptions {
  store: Store;
  bus: Bus;
  /** For what people say of decisions. Default: nothing is known to be secret. */
  redact?: Redact;
}

const journalPage = 1_000;

/** The engine over a store. Holds nothing but what it remembers of the definitions. */
export function createEngine(options: EngineOptions): Engine {
  return new StoreEngine(options);
}

class StoreEngine implements Engine {
  readonly #store: Store;
  readonly #bus: Bus;
  readonly #redact: Redact;
  readonly #catalog: DefinitionCatalog;
  readonly #settings: NamespaceSettingsCache;
  readonly #quotas: QuotaGuard;
  readonly #accepting;
  readonly providers: Providers;
  readonly sessions: Sessions;

  constructor({ store, bus, redact = (value) => value }: EngineOptions) {
    this.#store = store;
    this.#bus = bus;
    this.#redact = redact;
    this.#catalog = new DefinitionCatalog(store);
    this.#settings = new NamespaceSettingsCache(store);
    this.#quotas = new QuotaGuard(store);
    this.providers = new Providers(store.providers);
    this.sessions = new Sessions(store);
    this.#accepting = { catalog: this.#catalog, now: () => store.now() };
  }

  async submit(principal: Principal, request: CreateTask): Promise<{ task: Task; created: boolean }> {
    const task = await newTask(principal, request, this.#accepting);
    const result = await this.#admit(principal, [task], () => this.#store.write({ op: 'submit', task }));
    if (result.outcome === 'conflict') throw idempotencyConflict(task, result);
    if (result.outcome === 'existing')
      return { task: await this.get(principal, result.taskId), created: false };
    this.#ringForDue(task);
    return { task: viewNewTask(task, request, result.createdAt), created: true };
  }

  async submitMany(principal: Principal, requests: readonly CreateTask[]): Promise<readonly SubmitOutcome[]> {
    const tasks = await Promise.all(
      requests.map((request, index) => newTask(principal, request, this.#accepting).catch(atIndex(index))),
    );
    const results = await this.#admit(principal, tasks, () => this.#store.submitMany(tasks));
    return results.map((result, index): SubmitOutcome => {
      const task = tasks[index] as NewTask;
      if (result.outcome === 'conflict')
        return { outcome: 'failed', error: idempotencyConflict(task, result) };
      if (result.outcome === 'created') this.#ringForDue(task);
      return { outcome: result.outcome, taskId: result.taskId };
    });
  }

  async get(principal: Principal, taskId: string): Promise<Task> {
    const row = await this.#row(principal, taskId);
    const task = viewTask(row);
    if (row.kind !== 'agent') return task;
    const usage = await this.#usage(row);
    return usage === undefined ? task : { ...task, usage };
  }

  async why(principal: Principal, taskId: string): Promise<Why> {
    const standing = await this.#store.standing(principal.namespace, taskId);
    const row = await this.#row(principal, taskId);
    const { providers, budgets } = this.#store;
    const isRunning = row.status === 'running';
    return explainTask({
      furtherKeys: await this.#furtherKeys(row, standing),
      row,
      standing,
      calls: isRunning ? await providers.waitingCalls(taskId) : [],
      budget: isRunning
        ? await budgetStanding(budgets, taskId, parseTaskOptions(row.options).budget)
        : undefined,
      now: await this.#store.now(),
    });
  }

  /** A child goes on under its parent's keys, whatever it names. */
  async #furtherKeys({ namespace, parentId, limits }: TaskRow, standing: Standing | undefined) {
    const isHeld = standing !== undefined && ['limited', 'held', 'later'].includes(standing.state);
    if (!isHeld || parentId !== undefined) return [];
    const further = limits.filter(({ key }) => key !== standing.limit?.key);
    return await Promise.all(
      further.map(async (limit) => {
        const state = await this.#store.limit(namespace, limit.key);
        return { ...state, inForce: state.setting ?? limit };
      }),
    );
  }

  async limits({ namespace }: Principal): Promise<Limit[]> {
    return (await this.#store.limits(namespace)).map(viewLimit);
  }

  async limit({ namespace }: Principal, key: string): Promise<Limit> {
    return viewLimit(await this.#store.limit(namespace, key));
  }

  async setLimit({ namespace }: Principal, setting: LimitSetting): Promise<Limit> {
    await this.#store.setLimit(namespace, setting);
    await this.#catalog.refresh(namespace);
    return viewLimit(await this.#store.limit(namespace, setting.key));
  }

  async deleteLimit({ namespace }: Principal, key: string): Promise<void> {
    const isRemoved = await this.#store.removeLimit(namespace, key);
    if (!isRemoved) throw new OpspawnError('not_found', `No limit is set for ${key}`, { details: { key } });
    await this.#catalog.refresh(namespace);
  }

  async queues({ namespace }: Principal): Promise<Queue[]> {
    return (await this.#store.queues(namespace)).map(viewQueue);
  }

  async queue({ namespace }: Principal, name: string): Promise<Queue> {
    return viewQueue(await this.#store.queue(namespace, name));
  }

  async updateQueue(principal: Principal, name: string, update: UpdateQueue): Promise<Queue> {
    await this.#store.changeQueue(principal.namespace, name, queueChange(principal, update));
    return this.queue(principal, name);
  }

  async list(principal: Principal, query: TaskQuery): Promise<{ items: Task[]; nextCursor?: string }> {
    const { limit, cursor, ...filter } = query;
    const before = cursor === undefined ? undefined : decodeCursor(cursor);
    const rows = await this.#store.tasks(
      { ...filter, namespace: principal.namespace },
      { limit: limit + 1, ...(before === undefined ? {} : { before }) },
    );
    const items = rows.slice(0, limit).map(viewTask);
    const last = items.at(-1);
    return rows.length > limit && last !== undefined
      ? { items, nextCursor: encodeCursor(last.id) }
      : { items };
  }

  async cancel(principal: Principal, taskId: string, { reason }: { reason?: string }): Promise<Task> {
    const said = reason ?? `cancelled by ${principal.name}`;
    const result = await this.#post(principal, taskId, control('cancel', { reason: said }));
    if (!result.ok && result.status !== 'cancelled') throw wrongState(taskId, 'cancelled', result.status);
    return viewTask(await this.#row(principal, taskId));
  }

  async retry(principal: Principal, taskId: string): Promise<Task> {
    const { namespace } = principal;
    const result = await this.#store.write({ op: 'reopen', namespace, taskId, itemId: newId() });
    if (!result.ok)
      throw result.reason === 'not_found'
        ? taskNotFound(taskId)
        : wrongState(taskId, 'retried', result.status);
    return viewTask(await this.#row(principal, taskId));
  }

  async pause(principal: Principal, taskId: string): Promise<Task> {
    const row = await this.#row(principal, taskId);
    if (row.status !== 'paused') {
      const result = await this.#post(principal, taskId, control('pause', { by: principal.name }));
      if (!result.ok) throw wrongState(taskId, 'paused', result.status);
    }
    return viewTask(await this.#row(principal, taskId));
  }

  async resume(principal: Principal, taskId: string): Promise<Task> {
    const row = await this.#row(principal, taskId);
    if (row.status !== 'paused') throw wrongState(taskId, 'resumed', row.status);
    const result = await this.#post(principal, taskId, control('resume', { by: principal.name }));
    if (!result.ok) throw wrongState(taskId, 'resumed', result.status);
    return viewTask(await this.#row(principal, taskId));
  }

  bulk(principal: Principal, action: BulkAction, request: BulkRequest): Promise<BulkResult> {
    return actOnMany(this.#store, principal, action, request);
  }

  async failures({ namespace }: Principal, { limit, ...filter }: FailureQuery): Promise<Failure[]> {
    return (await this.#store.failures({ ...filter, namespace }, limit)).map(viewFailure);
  }

  async signal(principal: Principal, taskId: string, { name, data, id }: SignalRequest): Promise<void> {
    const item: InboxItem = {
      id: id ?? newId(),
      kind: 'signal',
      key: `signal:${name}`,
      ...(data === undefined ? {} : { data: JSON.stringify(data) }),
    };
    const result = await this.#post(principal, taskId, item);
    if (!result.ok) throw wrongState(taskId, 'signalled', result.status);
  }

  async resolve(principal: Principal, taskId: string, step: string, resolution: Resolution): Promise<Task> {
    return await this.#answer(principal, taskId, {
      step,
      isWanted: (kind) => kind === 'doubt',
      answer: resolution,
    });
  }

  async decide(principal: Principal, taskId: string, step: string, decision: DecisionRequest): Promise<Task> {
    // An answer is no approval, whatever it says; both can be refused.
    return await this.#answer(principal, taskId, {
      step,
      isWanted: (kind) =>
        kind === 'question'
          ? 'answer' in decision || !decision.approved
          : kind === 'approval' && !('answer' in decision),
      answer: decision,
    });
  }

  async journal(
    principal: Principal,
    taskId: string,
    { after, limit }: { after: number; limit: number },
  ): Promise<{ items: Entry[]; nextAfter?: number }> {
    await this.#row(principal, taskId);
    const rows = await this.#store.journal(taskId, after, limit + 1);
    const items = rows.slice(0, limit).map(viewEntry);
    const last = items.at(-1);
    return rows.length > limit && last !== undefined ? { items, nextAfter: last.seq } : { items };
  }

  follow(
    { namespace }: Principal,
    taskId: string,
    { after, signal }: { after: number; signal: AbortSignal },
  ): AsyncIterable<Followed> {
    return followTask({ store: this.#store, live: this.#bus.live, namespace, taskId, after, signal });
  }

  definitions({ namespace }: Principal): Promise<Definition[]> {
    return this.#catalog.all(namespace);
  }

  settings(principal: Principal, namespace?: string): Promise<NamespaceSettings> {
    return this.#settings.read(principal, namespace);
  }

  setSettings(principal: Principal, settings: NamespaceSettings, of?: string): Promise<NamespaceSettings> {
    return this.#settings.set(principal, settings, of);
  }

  mcpTools(principal: Principal, query: McpToolQuery): Promise<McpTool[]> {
    return listMcpTools(storePins(this.#store), principal, query);
  }

  decideMcpTools(principal: Principal, decision: DecideMcpTools): Promise<McpTool[]> {
    return decideMcpTools(storePins(this.#store), principal, decision);
  }

  async ready(): Promise<Readiness> {
    await this.#store.checkWritable();
    return { status: 'ok', broker: this.#bus.link.isLinked ? 'linked' : 'away' };
  }

  async #admit<Result>(
    { namespace }: Principal,
    tasks: readonly NewTask[],
    submit: () => Promise<Result>,
  ): Promise<Result> {
    const { quotas } = await this.#settings.get(namespace);
    return quotas === undefined ? await submit() : await this.#quotas.admit(quotas, tasks, submit);
  }

  async #row({ namespace }: Principal, taskId: string): Promise<TaskRow> {
    const row = await this.#store.task(namespace, taskId);
    if (row === undefined) throw taskNotFound(taskId);
    return row;
  }

  async #post({ namespace }: Principal, taskId: string, item: InboxItem) {
    const result = await this.#store.write({ op: 'post', namespace, taskId, item });
    if (!result.ok && result.reason === 'not_found') throw taskNotFound(taskId);
    return result;
  }

  async #answer(principal: Principal, taskId: string, said: SaidOfRequest): Promise<Task> {
    const parts = { store: this.#store, redact: this.#redact };
    await decideRequest(parts, principal, await this.#row(principal, taskId), said);
    return viewTask(await this.#row(principal, taskId));
  }

  async #usage({ id, lastSeq }: TaskRow): Promise<Task['usage']> {
    const sum = new UsageSum();
    for (let after = 0; after < lastSeq; ) {
      const page = await this.#store.journal(id, after, journalPage);
      for (const entry of page) sum.add(entry);
      after = page.at(-1)?.seq ?? lastSeq;
    }
    return sum.total;
  }

  /** Nothing becomes ready by this commit, but a worker has to set its timer. */
  #ringForDue({ dueAt, queue }: NewTask): void {
    if (dueAt !== undefined) this.#bus.broker.ring(new Set([queue]));
  }
}

const control = (kind: 'cancel' | 'pause' | 'resume', data: Json): InboxItem => ({
  id: newId(),
  kind,
  key: '',
  data: JSON.stringify(data),
});

const encodeCursor = (taskId: string): string => Buffer.from(taskId).toString('base64url');

function decodeCursor(cursor: string): string {
  const taskId = Buffer.from(cursor, 'base64url').toString();
  if (/^[0-9a-f-]{36}$/.test(taskId) && encodeCursor(taskId) === cursor) return taskId;
  throw new OpspawnError('invalid_argument', 'The cursor is not one that was given out', {
    details: { path: '/cursor' },
  });
}

/** Puts the request's place in the batch before the error's path. */
const atIndex = (index: number) => (thrown: unknown) => throwUnderPath(thrown, `/${index}`);

const taskNotFound = (taskId: string): OpspawnError =>
  new OpspawnError('not_found', `Task ${taskId} does not exist`, { details: { taskId } });

const wrongState = (taskId: string, verb: string, status: string | undefined): OpspawnError =>
  new OpspawnError('wrong_state', `Task ${taskId} is ${status ?? 'in another state'} and cannot be ${verb}`, {
    details: { taskId, ...(status === undefined ? {} : { status }) },
  });

const idempotencyConflict = (task: NewTask, { taskId }: SubmitResult): OpspawnError =>
  new OpspawnError(
    'idempotency_conflict',
    `The idempotency key "${task.idempotencyKey}" was used with another request, by task ${taskId}`,
    { details: { taskId } },
  );
