import { type ChildRequest, OpspawnError, type Steps } from '@opspawn/agentkit';
import type { LiveChannel } from '../../broker/broker.ts';
import type { TaskSpending } from '../../storage/parts/spending.ts';
import type {
  ClaimedTask,
  Effects,
  EntryRow,
  InboxItem,
  InboxRow,
  NewEntry,
  Owner,
  Store,
  StoredWait,
  Write,
  WriteResults,
} from '../../storage/store.ts';
import type { ChildTask, TaskPort } from '../durable/port.ts';
import { UsageSum } from '../task-view.ts';

/** Why an attempt is stopped from outside. */
export type StopCause = 'lease_lost' | 'deadline' | 'task_deadline' | 'shutdown';

type OwnedWrite = Extract<Write, { owner: Owner }>;
/** An owned write without its owner, which the attempt adds. */
export type UnownedWrite = OwnedWrite extends infer W
  ? W extends OwnedWrite
    ? Omit<W, 'owner'>
    : never
  : never;

interface AttemptOptions {
  task: ClaimedTask;
  store: Store;
  live: LiveChannel;
  /** Whether the worker's lease surely holds, by the local clock. */
  holdsLease: () => boolean;
  /** Unix ms by the store's clock, as well as this process knows it. */
  now: () => number;
  childTask: (parent: ClaimedTask, request: ChildRequest) => ChildTask;
}

const journalPage = 1_000;
const firstRetryMs = 50;
const lastRetryMs = 2_000;

/** One claim of a task by this worker: what its durable function reads and writes through. */
export class Attempt implements TaskPort {
  readonly task: ClaimedTask;
  readonly now: () => number;
  /** While its function runs. */
  steps: Steps | undefined;
  readonly #store: Store;
  readonly #live: LiveChannel;
  readonly #holdsLease: () => boolean;
  readonly #owner: Owner;
  readonly #childTask: AttemptOptions['childTask'];
  #stopping: AbortController | undefined;
  readonly #inboxListeners: (() => void)[] = [];
  #taken: Set<string> | undefined;
  readonly #usage = new UsageSum();
  #inbox: readonly InboxRow[] = [];
  /** Numbers of reads: of the last that began, and of the one that `#inbox` comes from. */
  #inboxAsked = 0;
  #inboxRead = 0;
  #lastSeq: number;
  #writing: Promise<unknown> = Promise.resolve();
  #stopCause: StopCause | undefined;
  #stopError: OpspawnError | undefined;
  /**
   * From when on whoever sweeps may give the task to another attempt (`performance.now()`): by the store's clock, which may
   * have been set, as the last write told it.
   */
  #overdueAt = Number.POSITIVE_INFINITY;

  constructor({ task, store, live, holdsLease, now, childTask }: AttemptOptions) {
    this.task = task;
    this.now = now;
    this.#store = store;
    this.#live = live;
    this.#holdsLease = holdsLease;
    this.#childTask = childTask;
    this.#owner = { taskId: task.taskId, attempt: task.attempt, workerId: task.workerId };
    this.#lastSeq = task.lastSeq;
  }

  get taskId(): string {
    return this.task.taskId;
  }
  get namespace(): string {
    return this.task.namespace;
  }
  get attempt(): number {
    return this.task.attempt;
  }
  get createdAt(): number {
    return this.task.createdAt;
  }
  get claimOnDisk(): ClaimedTask['onDisk'] {
    return this.task.onDisk;
  }
  /** Of what is committed so far, by the claim and by this attempt. */
  get lastSeq(): number {
    return this.#lastSeq;
  }
  /** Costs something, so it is made when it is first asked for. */
  get signal(): AbortSignal {
    if (this.#stopping === undefined) {
      this.#stopping = new AbortController();
      if (this.isStopped) this.#stopping.abort(this.#stopError);
    }
    return this.#stopping.signal;
  }
  get isStopped(): boolean {
    return this.#stopCause !== undefined;
  }
  get stopCause(): StopCause | undefined {
    return this.#stopCause;
  }

  // As a method: a function that is assigned to a property is allocated among the old objects by V8, and keeps all that it
  // refers to from being collected with the young ones. That doubled what a task costs.
  holdsLease(): boolean {
    return performance.now() < this.#overdueAt && this.#holdsLease();
  }

  /** The first cause stays. */
  stop(cause: StopCause, error: OpspawnError): void {
    if (this.#stopCause !== undefined) return;
    this.#stopCause = cause;
    this.#stopError = error;
    this.#stopping?.abort(error);
  }

  async append(entries: readonly NewEntry[], effects: Effects = {}): Promise<number> {
    const result = await this.write({ op: 'append', entries, ...effects });
    if (!result.ok) throw leaseLost(this.taskId);
    return result.at;
  }

  async suspend(waits: readonly StoredWait[]): Promise<boolean> {
    const result = await this.end({ op: 'suspend', entries: [], waits });
    if (result.ok) return true;
    if (result.reason === 'lost') throw leaseLost(this.taskId);
    await this.reloadInbox();
    return false;
  }

  /**
   * Writes as the owner. A refusal stops the attempt. While the store is unavailable it is tried again until the
   * attempt is stopped, so that results are held and not lost.
   */
  write<W extends UnownedWrite>(write: W): Promise<WriteResults[W['op']]> {
    this.#noteUsage(write.entries);
    return this.#send(write);
  }

  /**
   * Writes how the attempt ends or what it waits for, and what its agent has used: who takes over after a crash tells that
   * again, which changes nothing.
   */
  end<W extends UnownedWrite>(write: W): Promise<WriteResults[W['op']]> {
    this.#noteUsage(write.entries);
    const spending = this.#spending();
    return this.#send(spending === undefined ? write : { ...write, spending });
  }

  #send<W extends UnownedWrite>(write: W): Promise<WriteResults[W['op']]> {
    const writing = this.#write({ ...write, owner: this.#owner } as unknown as OwnedWrite);
    this.#writing = writing.catch(() => {});
    return writing as Promise<WriteResults[W['op']]>;
  }

  #spending(): TaskSpending | undefined {
    const { taskId, namespace, kind, name, sessionId } = this.task;
    const usage = this.#usage.total;
    if (kind !== 'agent' || usage === undefined) return undefined;
    const { inputTokens, outputTokens, costMicroUsd } = usage;
    return {
      taskId,
      namespace,
      agent: name,
      ...(sessionId === undefined ? {} : { sessionId }),
      spent: {
        inputTokens,
        outputTokens,
        costMicroUsd: costMicroUsd ?? 0,
        unpricedTokens: costMicroUsd === undefined ? inputTokens + outputTokens : 0,
      },
    };
  }

  /** Resolves when nothing is being written. */
  async written(): Promise<void> {
    await this.#writing;
  }

  /** What is committed so far. */
  async journal(): Promise<EntryRow[]> {
    const entries: EntryRow[] = [];
    while (entries.length < this.#lastSeq) {
      const after = entries.at(-1)?.seq ?? 0;
      const page = await this.untilAvailable(() => this.#store.journal(this.taskId, after, journalPage));
      if (page.length === 0) break;
      entries.push(...page);
    }
    this.#noteUsage(entries);
    return entries;
  }

  inbox(): readonly InboxRow[] {
    return this.#inbox;
  }

  onInbox(listener: () => void): void {
    this.#inboxListeners.push(listener);
  }

  /** Of two that overlap the one that was asked for last counts: the other may not see what was posted between them. */
  async reloadInbox(): Promise<void> {
    const asked = ++this.#inboxAsked;
    const rows = await this.untilAvailable(() => this.#store.inbox(this.taskId));
    if (asked < this.#inboxRead) return;
    this.#inboxRead = asked;
    // Read before a take of ours was committed, a row may still be there.
    this.#inbox = this.#untaken(rows);
    for (const listener of this.#inboxListeners) listener();
  }

  emit(event: unknown): void {
    this.#live.publish({ type: 'event', taskId: this.taskId, attempt: this.attempt, event });
  }

  childTask(request: ChildRequest): ChildTask {
    return this.#childTask(this.task, request);
  }

  postEvidence(item: InboxItem): void {
    const { namespace, taskId } = this.task;
    // Nobody is left to tell: the intent alone puts the effect in doubt.
    this.#store.write({ op: 'post', namespace, taskId, item }).catch(() => {});
  }

  isWatched(): boolean {
    return this.#live.isWatched(this.taskId);
  }

  async #write(write: OwnedWrite): Promise<WriteResults[OwnedWrite['op']]> {
    const askedAt = performance.now();
    const result = await this.untilAvailable(() => this.#store.write(write));
    if (result.ok) {
      this.#noteWritten(write);
      // The answer may have come late: the time since the question counts.
      this.#overdueAt = askedAt + this.task.deadlineAt - result.at;
    } else if (result.reason === 'lost') this.stop('lease_lost', leaseLost(this.taskId));
    return result;
  }

  /**
   * Calls until the store answers or the attempt is stopped: while it is away neither what is recorded nor what is to be
   * recorded is at fault.
   */
  async untilAvailable<Result>(call: () => Promise<Result>): Promise<Result> {
    for (let delayMs = firstRetryMs; ; delayMs = Math.min(2 * delayMs, lastRetryMs)) {
      try {
        return await call();
      } catch (thrown) {
        const isPassing = thrown instanceof OpspawnError && thrown.code === 'unavailable';
        if (!isPassing) throw thrown;
        if (!this.#mayGoOn()) throw leaseLost(this.taskId);
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
    }
  }

  /** A worker that shuts down gives back what it cannot write: the next attempt does it again. */
  #mayGoOn(): boolean {
    return this.#stopCause !== 'lease_lost' && this.#stopCause !== 'shutdown' && this.#holdsLease();
  }

  #noteUsage(entries: readonly Pick<EntryRow, 'type' | 'data'>[]): void {
    if (this.task.kind === 'agent') for (const entry of entries) this.#usage.add(entry);
  }

  #noteWritten({ entries, takes }: OwnedWrite): void {
    const last = entries.at(-1);
    if (last !== undefined) this.#lastSeq = last.seq;
    if (takes === undefined || takes.length === 0) return;
    this.#taken ??= new Set();
    for (const id of takes) this.#taken.add(id);
    this.#inbox = this.#untaken(this.#inbox);
  }

  #untaken(rows: readonly InboxRow[]): readonly InboxRow[] {
    const taken = this.#taken;
    return taken === undefined ? rows : rows.filter((row) => !taken.has(row.id));
  }
}

export const leaseLost = (taskId: string): OpspawnError =>
  new OpspawnError('lease_lost', `Another attempt owns task ${taskId}`, { details: { taskId } });
