import { OpspawnError } from '@opspawn/agentkit';
import type { Effects, EntryRow, InboxItem, InboxRow, NewEntry, StoredWait } from '../../../storage/store.ts';
import { entryDataSchemas, entryReferenceSchema, parseData, waitOpenedSchema } from '../entry-data.ts';
import { type Identity, identityHash, identityKey } from '../identity.ts';
import type { ChildTask, Journal, TaskPort } from '../port.ts';
import { Random, turns } from './random.ts';

export interface SimulatedFaults {
  /** Numbers of commits, from 1, at which the process dies: by chance before or after the commit. */
  crashAt?: readonly number[];
  /** Numbers of commits after which the worker is told to stop. */
  stopAt?: readonly number[];
  /** Whether signals come by themselves. */
  noise?: boolean;
}

/**
 * One task as a store keeps it: a journal, an inbox, a clock, and at most one attempt that owns it. It checks what a
 * store relies on, and keeps what it finds in `problems`.
 */
export class SimulatedTask {
  readonly journal: EntryRow[] = [];
  readonly random: Random;
  readonly problems: string[] = [];
  readonly cancelledChildren: string[] = [];
  clock = 1_000_000;
  attempt = 0;
  /** Grows with everything that an attempt does. */
  activity = 0;
  readonly #faults: SimulatedFaults;
  readonly #inbox: InboxRow[] = [];
  readonly #taken = new Set<string>();
  #commits = 0;
  #nextItem = 1;
  #port: SimulatedPort | undefined;

  constructor(seed: number, faults: SimulatedFaults = {}) {
    this.random = new Random(seed);
    this.#faults = faults;
  }

  /** A new attempt takes the task over. */
  claim(): SimulatedPort {
    this.attempt += 1;
    this.#port = new SimulatedPort(this, this.attempt);
    return this.#port;
  }

  /** Ends the ownership of the attempt that runs. */
  die(): void {
    this.attempt += 1;
  }

  post(kind: InboxItem['kind'], key: string, data?: unknown): void {
    this.postItem({
      id: `item-${this.#nextItem++}`,
      kind,
      key,
      ...(data === undefined ? {} : { data: JSON.stringify(data) }),
    });
  }

  postItem(item: InboxItem): void {
    this.#inbox.push({ ...item, at: this.clock });
    this.#port?.ring();
  }

  /** Items that were not taken. */
  inbox(): InboxRow[] {
    return this.#inbox.filter((row) => !this.#taken.has(row.id));
  }

  taken(): InboxRow[] {
    return this.#inbox.filter((row) => this.#taken.has(row.id));
  }

  async append(attempt: number, entries: readonly NewEntry[], effects: Effects = {}): Promise<number> {
    await this.#transact(attempt, () => this.commit(attempt, entries, effects));
    if (this.#faults.stopAt?.includes(this.#commits) === true) this.#port?.stop();
    if (this.#faults.noise === true && this.random.below(6) === 0) {
      this.post('signal', `signal:s${this.random.below(2)}`, `noise ${this.#nextItem}`);
    }
    return this.clock;
  }

  /** The process may die before the commit or after it. */
  async #transact<T>(attempt: number, commit: () => T): Promise<T> {
    this.activity += 1;
    await turns(this.random.below(3));
    if (attempt !== this.attempt) throw lost();
    this.#commits += 1;
    const crashes = this.#faults.crashAt?.includes(this.#commits) === true;
    if (crashes && this.random.below(2) === 0) this.#crash();
    const result = commit();
    if (crashes) this.#crash();
    return result;
  }

  #crash(): never {
    this.die();
    throw lost();
  }

  commit(attempt: number, entries: readonly NewEntry[], { takes = [], posts = [] }: Effects = {}): void {
    this.clock += this.random.below(3);
    for (const entry of entries) {
      if (entry.seq !== this.journal.length + 1)
        this.problems.push(`seq ${entry.seq} after ${this.journal.length}`);
      const read = entryDataSchemas[entry.type].safeParse(
        entry.data === undefined ? undefined : JSON.parse(entry.data),
      );
      if (!read.success) this.problems.push(`${entry.type} ${entry.data}: ${read.error.message}`);
      if (isResult(entry) && this.resultOf(entry) !== undefined)
        this.problems.push(`recorded twice: ${keyOf(entry)}`);
      this.journal.push({ ...entry, attempt, at: this.clock });
    }
    for (const id of takes) {
      if (this.#taken.has(id)) this.problems.push(`inbox item taken twice: ${id}`);
      this.#taken.add(id);
    }
    for (const { taskId, item } of posts) if (item.kind === 'cancel') this.cancelledChildren.push(taskId);
  }

  suspend(attempt: number, waits: readonly StoredWait[]): Promise<boolean> {
    for (const { kind, key, step } of waits) {
      if (kind !== 'sleep' && key === undefined) this.problems.push(`nothing can end the wait ${step}`);
    }
    return this.#transact(attempt, () => {
      if (this.inbox().some(({ key }) => key === '' || waits.some((wait) => wait.key === key))) return false;
      this.die();
      return true;
    });
  }

  /** The result of the same call that counts. */
  resultOf(call: Partial<Identity>): EntryRow | undefined {
    const key = keyOf(call);
    const voided = this.#voided();
    return this.journal.find((row) => isResult(row) && keyOf(row) === key && !voided.has(row.seq));
  }

  /** Inbox keys of the waits that are open by the journal, with their kinds. */
  openWaits(): { kind: string; key: string }[] {
    const voided = this.#voided();
    const open = new Map<string, string>();
    for (const row of this.journal) {
      if (row.type === 'doubt.resolved') open.delete(`decision:${identityHash(identityOf(row))}`);
      if (row.type !== 'wait.opened' || voided.has(row.seq) || this.resultOf(row) !== undefined) continue;
      const { kind, key } = parseData(waitOpenedSchema, row.data);
      if (key !== undefined) open.set(key, kind);
    }
    return Array.from(open, ([key, kind]) => ({ kind, key }));
  }

  #voided(): Set<number> {
    const references = this.journal.filter(
      ({ type }) => type === 'step.reopened' || type === 'step.superseded',
    );
    return new Set(references.map((row) => parseData(entryReferenceSchema, row.data).ref));
  }
}

class SimulatedPort implements TaskPort {
  readonly taskId = 'task';
  readonly namespace = 'default';
  readonly createdAt = 1_000_000;
  readonly attempt: number;
  readonly lastSeq: number;
  claimOnDisk: TaskPort['claimOnDisk'];
  readonly journal: Journal;
  readonly events: unknown[] = [];
  readonly #task: SimulatedTask;
  readonly #stopping = new AbortController();
  #listener: () => void = () => {};

  constructor(task: SimulatedTask, attempt: number) {
    this.#task = task;
    this.attempt = attempt;
    this.journal = task.journal.slice();
    this.lastSeq = task.journal.length;
  }

  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  get isStopped(): boolean {
    return this.signal.aborted;
  }

  append(entries: readonly NewEntry[], effects?: Effects): Promise<number> {
    return this.#task.append(this.attempt, entries, effects);
  }

  suspend(waits: readonly StoredWait[]): Promise<boolean> {
    return this.#task.suspend(this.attempt, waits);
  }

  inbox(): readonly InboxRow[] {
    return this.#task.inbox();
  }

  onInbox(listener: () => void): void {
    this.#listener = listener;
  }

  isWatched(): boolean {
    return false;
  }

  now(): number {
    return this.#task.clock;
  }

  holdsLease(): boolean {
    return this.#task.attempt === this.attempt;
  }

  emit(event: unknown): void {
    this.events.push(event);
  }

  childTask({ kind, name }: { kind: ChildTask['kind']; name: string }): ChildTask {
    return { namespace: this.namespace, kind, name, queue: 'default', priority: 5 };
  }

  postEvidence(item: InboxItem): void {
    this.#task.postItem(item);
  }

  ring(): void {
    this.#listener();
  }

  stop(): void {
    this.#task.die();
    this.#stopping.abort(new OpspawnError('unavailable', 'the worker shuts down'));
  }
}

export type { SimulatedPort };

const lost = (): OpspawnError => new OpspawnError('lease_lost', 'another attempt owns the task');

const isResult = ({ type }: NewEntry): boolean => type === 'step.completed' || type === 'step.failed';

export const identityOf = ({ branch = '', name = '', count = 1 }: Partial<Identity>): Identity => ({
  branch,
  name,
  count,
});

const keyOf = (call: Partial<Identity>): string => {
  const { branch, name, count } = identityOf(call);
  return identityKey(branch, name, count);
};
