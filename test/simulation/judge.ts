/** Watches every call of the store at the moment of its commit, and says which promise it breaks. */
import { OpspawnError } from '@opspawn/agentkit';
import type {
  ClaimedTask,
  NewTask,
  OwnedResult,
  Owner,
  SubmitResult,
  Write,
} from '../../packages/ops-core/src/storage/store.ts';
import type { SimulatedDatabase } from './database.ts';
import type { DoneCall } from './network.ts';
import type { Record } from './record.ts';

interface Known {
  readonly task: NewTask;
  attempt: number;
  workerId: string;
  isFinished: boolean;
  /** A cancel was posted: what follows neither waits for its session nor for its limits. */
  isCancelled: boolean;
}

/** Asked for all the time, and worth no line. */
const quiet: ReadonlySet<string> = new Set([
  'renewLease',
  'now',
  'definitions',
  'limitKeys',
  'inbox',
  'journal',
  'task',
  'tasks',
]);

export class Judge {
  readonly #database: SimulatedDatabase;
  readonly #record: Record;
  readonly #known = new Map<string, Known>();
  /** Of each session, in the order in which they were accepted. */
  readonly #sessions = new Map<string, string[]>();
  readonly #accepted = new Set<string>();

  constructor(database: SimulatedDatabase, record: Record) {
    this.#database = database;
    this.#record = record;
  }

  owns({ taskId, attempt, workerId }: Owner): boolean {
    const known = this.#known.get(taskId);
    return known?.attempt === attempt && known.workerId === workerId && !known.isFinished;
  }

  /** All tasks that were accepted. */
  taskIds(): Iterable<string> {
    return this.#known.keys();
  }

  wasCancelled(taskId: string): boolean {
    return this.#known.get(taskId)?.isCancelled === true;
  }

  done({ process, method, args, result, begun }: DoneCall): void {
    if (method === 'write') this.#wrote(process.name, args[0] as Write, result);
    else if (method === 'claim') this.#claimed(process.name, result as readonly ClaimedTask[]);
    else if (!quiet.has(method) && isNews(result))
      this.#record.note(`${process.name} ${method} ${shown(result)}`);
    if (begun !== undefined) this.#claimed(process.name, [begun]);
  }

  #wrote(process: string, write: Write, result: unknown): void {
    const { ok } = result as { ok?: boolean };
    this.#record.note(`${process} ${write.op} ${this.#nameOf(write)} ${shown(result)}`);
    if (write.op === 'submit') this.#submitted(write.task, result as SubmitResult);
    else if ('owner' in write) this.#ownerWrote(write, result as OwnedResult);
    else if (ok === true && write.op === 'post' && write.item.kind === 'cancel') this.#cancel(write.taskId);
    else if (ok === true && write.op === 'reopen') this.#reopened(write.taskId);
  }

  #nameOf(write: Write): string {
    if (write.op === 'submit') return this.#record.label(write.task.id);
    if (!('owner' in write)) {
      return `${this.#record.label(write.taskId)}${write.op === 'post' ? ` ${write.item.kind} ${write.item.key}` : ''}`;
    }
    const { taskId, attempt } = write.owner;
    return `${this.#record.label(taskId)}#${attempt} [${write.entries.map(({ type, name = '' }) => `${type} ${name}`.trimEnd()).join(', ')}]`;
  }

  #submitted(task: NewTask, { outcome }: SubmitResult): void {
    if (outcome !== 'created' || this.#known.has(task.id)) return;
    this.#known.set(task.id, { task, attempt: 0, workerId: '', isFinished: false, isCancelled: false });
    if (task.sessionId === undefined || task.parentId !== undefined) return;
    const line = this.#sessions.get(task.sessionId) ?? [];
    line.push(task.id);
    this.#sessions.set(task.sessionId, line);
  }

  #claimed(process: string, tasks: readonly ClaimedTask[]): void {
    for (const { taskId, attempt, workerId } of tasks) {
      const known = this.#known.get(taskId);
      const where = `${this.#record.label(taskId)}#${attempt}`;
      this.#record.note(`${process} claims ${where}`);
      if (known === undefined || known.isFinished)
        this.#record.problem(`${where} is claimed and does not wait`);
      else if (attempt <= known.attempt) this.#record.problem(`${where} is claimed after #${known.attempt}`);
      if (known === undefined) continue;
      known.attempt = attempt;
      known.workerId = workerId;
      this.#checkSession(known, where);
    }
    if (tasks.length > 0) this.#checkLimits();
  }

  #checkSession({ task, isCancelled }: Known, where: string): void {
    if (task.sessionId === undefined || task.parentId !== undefined || isCancelled) return;
    for (const earlier of this.#sessions.get(task.sessionId) ?? []) {
      if (earlier === task.id) return;
      if (this.#known.get(earlier)?.isFinished === true) continue;
      this.#record.problem(`${where} begins before ${this.#record.label(earlier)} of its session has ended`);
    }
  }

  #checkLimits(): void {
    const counts = new Map<string, number>();
    for (const [taskId] of this.#database.rows('select task_id from queue where state = 1')) {
      const known = this.#known.get(String(taskId));
      if (known === undefined || known.isCancelled || known.task.parentId !== undefined) continue;
      for (const { key, maxRunning } of known.task.limits ?? []) {
        if (maxRunning === undefined) continue;
        const count = (counts.get(key) ?? 0) + 1;
        counts.set(key, count);
        if (count > maxRunning)
          this.#record.problem(`${count} tasks run under the key ${key}, which allows ${maxRunning}`);
      }
    }
  }

  #ownerWrote(write: Extract<Write, { owner: Owner }>, result: OwnedResult): void {
    if (!result.ok) return;
    const { owner, entries } = write;
    const known = this.#known.get(owner.taskId);
    const where = `${write.op} of ${this.#record.label(owner.taskId)}#${owner.attempt}`;
    // The same write made again is answered as the first was, whoever owns the task by now.
    const key = `${owner.taskId} ${owner.attempt} ${owner.workerId} ${write.op} ${entries[0]?.seq}`;
    if (entries.length > 0 && this.#accepted.has(key)) return;
    this.#accepted.add(key);
    if (!this.owns(owner))
      this.#record.problem(`${where} by ${owner.workerId} is accepted; #${known?.attempt} owns it`);
    for (const child of write.children ?? [])
      this.#submitted(child, { taskId: child.id, outcome: 'created', createdAt: 0 });
    for (const { taskId, item } of write.posts ?? []) if (item.kind === 'cancel') this.#cancel(taskId);
    if (write.op === 'finish' && known !== undefined) this.#finished(known);
  }

  /** Its children that have not ended are cancelled with it. */
  #finished(known: Known): void {
    known.isFinished = true;
    for (const [taskId, { task }] of this.#known) if (task.parentId === known.task.id) this.#cancel(taskId);
  }

  #cancel(taskId: string): void {
    const known = this.#known.get(taskId);
    if (known === undefined) return;
    known.isCancelled = true;
    // No attempt has begun, so that none writes the end.
    if (known.attempt === 0 && !known.isFinished) this.#finished(known);
  }

  /** It goes to the end of its session. */
  #reopened(taskId: string): void {
    const known = this.#known.get(taskId);
    if (known === undefined || !known.isFinished) return;
    known.isFinished = false;
    const line = this.#sessions.get(known.task.sessionId ?? '');
    const index = line?.indexOf(taskId) ?? -1;
    if (index >= 0) line?.push(...line.splice(index, 1));
  }
}

const isNews = (result: unknown): boolean => result !== 0 && result !== undefined;

function shown(result: unknown): string {
  if (result instanceof OpspawnError) return result.code;
  if (typeof result !== 'object' || result === null) return String(result);
  if ('outcome' in result) return String(result.outcome);
  if (!('ok' in result)) return '';
  return result.ok === true ? 'ok' : String((result as { reason?: unknown }).reason);
}
