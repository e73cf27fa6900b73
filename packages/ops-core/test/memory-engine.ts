/** An engine of maps, for what the doors do with an engine: nothing runs unless a test says so. */
import { randomUUID } from 'node:crypto';
import { EventEmitter, on } from 'node:events';
import {
  type CreateTask,
  type Definition,
  type Entry,
  isFinished,
  OpspawnError,
  type Task,
  type TaskStatus,
} from '@opspawn/sdk';
import type { Principal } from '../src/auth/principal.ts';
import type {
  DecisionRequest,
  Engine,
  Followed,
  SignalRequest,
  SubmitOutcome,
  TaskQuery,
} from '../src/tasks/engine-interface.ts';

interface Stored {
  task: Task;
  request: string;
  entries: Entry[];
  changes: EventEmitter;
}

export class MemoryEngine implements Engine {
  /** What signals, resolutions and decisions came in. */
  readonly received: unknown[] = [];
  /** Streams that are being followed now. */
  followers = 0;
  /** Live events and entries that were handed to followers. */
  handedOut = 0;
  /** Thrown by the next calls. */
  failure: Error | undefined;
  /** When set, calls wait for it. */
  gate: Promise<void> | undefined;
  /** Calls that wait for the gate. */
  waiting = 0;
  readonly #tasks = new Map<string, Stored>();

  /** Appends an entry; a terminal one ends the task. */
  append(taskId: string, type: Entry['type'], data?: Entry['data']): void {
    const stored = this.#stored(taskId);
    const seq = stored.entries.length + 1;
    const entry: Entry = { seq, type, attempt: 1, at: Date.now(), ...(data === undefined ? {} : { data }) };
    stored.entries.push(entry);
    stored.changes.emit('change', { type: 'entry', entry });
    const status = /^task\.(completed|failed|cancelled)$/.exec(type)?.[1] ?? 'running';
    this.#setStatus(stored, status as TaskStatus);
  }

  emit(taskId: string, event: unknown): void {
    this.#stored(taskId).changes.emit('change', { type: 'live', event });
  }

  /** Adds fields to a task that its schema may not know. */
  touch(taskId: string, fields: object): void {
    const stored = this.#stored(taskId);
    stored.task = { ...stored.task, ...fields };
  }

  /** Lets the streams of this task fail, as a lost database would. */
  breakFollowers(taskId: string): void {
    this.#stored(taskId).changes.emit('error', new Error('the database went away'));
  }

  get size(): number {
    return this.#tasks.size;
  }

  async submit(principal: Principal, request: CreateTask): Promise<{ task: Task; created: boolean }> {
    this.waiting++;
    await this.gate;
    this.waiting--;
    this.#check(request, '');
    return this.#submit(principal, request);
  }

  async submitMany(principal: Principal, requests: readonly CreateTask[]): Promise<readonly SubmitOutcome[]> {
    for (const [index, request] of requests.entries()) this.#check(request, `/${index}`);
    return requests.map((request) => {
      try {
        const { task, created } = this.#submit(principal, request);
        return { outcome: created ? 'created' : 'existing', taskId: task.id };
      } catch (error) {
        return { outcome: 'failed', error: error as OpspawnError };
      }
    });
  }

  async get(principal: Principal, taskId: string): Promise<Task> {
    return this.#find(principal, taskId).task;
  }

  async list(principal: Principal, { status, name, limit, cursor }: TaskQuery) {
    if (this.failure !== undefined) throw this.failure;
    const all = [...this.#tasks.values()]
      .map(({ task }) => task)
      .filter((task) => task.namespace === principal.namespace)
      .filter((task) => (status?.includes(task.status) ?? true) && (name ?? task.name) === task.name)
      .reverse();
    const start = cursor === undefined ? 0 : all.findIndex(({ id }) => id === cursor) + 1;
    if (cursor !== undefined && start === 0) {
      throw new OpspawnError('invalid_argument', 'is not a cursor of this list', {
        details: { path: '/cursor' },
      });
    }
    const items = all.slice(start, start + limit);
    const last = items.at(-1);
    return { items, ...(last !== undefined && all.length > start + limit ? { nextCursor: last.id } : {}) };
  }

  async cancel(principal: Principal, taskId: string): Promise<Task> {
    const stored = this.#find(principal, taskId);
    if (stored.task.status === 'cancelled') return stored.task;
    this.#refuseFinished(stored);
    this.append(taskId, 'task.cancelled');
    return stored.task;
  }

  async retry(principal: Principal, taskId: string): Promise<Task> {
    const stored = this.#find(principal, taskId);
    if (stored.task.status !== 'failed') throw new OpspawnError('wrong_state', `Task ${taskId} did not fail`);
    return this.#setStatus(stored, 'pending');
  }

  async pause(principal: Principal, taskId: string): Promise<Task> {
    const stored = this.#find(principal, taskId);
    this.#refuseFinished(stored);
    return this.#setStatus(stored, 'paused');
  }

  async resume(principal: Principal, taskId: string): Promise<Task> {
    const stored = this.#find(principal, taskId);
    if (stored.task.status !== 'paused')
      throw new OpspawnError('wrong_state', `Task ${taskId} is not paused`);
    return this.#setStatus(stored, 'pending');
  }

  async signal(principal: Principal, taskId: string, signal: SignalRequest): Promise<void> {
    this.#refuseFinished(this.#find(principal, taskId));
    this.received.push(signal);
  }

  async resolve(principal: Principal, taskId: string, step: string, resolution: object): Promise<Task> {
    this.received.push({ step, ...resolution });
    return this.#find(principal, taskId).task;
  }

  async decide(principal: Principal, taskId: string, step: string, decision: DecisionRequest): Promise<Task> {
    this.received.push({ step, ...decision });
    return this.#find(principal, taskId).task;
  }

  async journal(principal: Principal, taskId: string, { after, limit }: { after: number; limit: number }) {
    const all = this.#find(principal, taskId).entries.filter(({ seq }) => seq > after);
    return { items: all.slice(0, limit), ...(all.length > limit ? { nextAfter: after + limit } : {}) };
  }

  async *follow(
    principal: Principal,
    taskId: string,
    { after, signal }: { after: number; signal: AbortSignal },
  ): AsyncGenerator<Followed> {
    const stored = this.#find(principal, taskId);
    const changes = on(stored.changes, 'change', { signal }) as AsyncIterable<[Followed]>;
    this.followers++;
    try {
      for (const entry of stored.entries.filter(({ seq }) => seq > after)) {
        this.handedOut++;
        yield { type: 'entry', entry };
      }
      if (isFinished(stored.task.status)) return;
      for await (const [change] of changes) {
        this.handedOut++;
        yield change;
        if (change.type === 'status' && isFinished(change.task.status)) return;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.followers--;
    }
  }

  async definitions(): Promise<Definition[]> {
    return [{ kind: 'function', name: 'thumbnail', version: '1', queue: 'default' }];
  }

  async ready(): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
  }

  #stored(taskId: string): Stored {
    const stored = this.#tasks.get(taskId);
    if (stored === undefined) throw new OpspawnError('not_found', `Task ${taskId} does not exist`);
    return stored;
  }

  #find(principal: Principal, taskId: string): Stored {
    if (this.failure !== undefined) throw this.failure;
    const stored = this.#stored(taskId);
    if (stored.task.namespace === principal.namespace) return stored;
    throw new OpspawnError('not_found', `Task ${taskId} does not exist`);
  }

  #setStatus(stored: Stored, status: TaskStatus): Task {
    stored.task = { ...stored.task, status, entries: stored.entries.length };
    stored.changes.emit('change', { type: 'status', task: stored.task });
    return stored.task;
  }

  #refuseFinished({ task }: Stored): void {
    if (isFinished(task.status)) throw new OpspawnError('wrong_state', `Task ${task.id} is ${task.status}`);
  }

  #check(request: CreateTask, path: string): void {
    if (this.failure !== undefined) throw this.failure;
    if (request.name !== 'unknown') return;
    throw new OpspawnError('invalid_argument', 'unknown is not defined', {
      details: { path: `${path}/name` },
    });
  }

  #submit(principal: Principal, request: CreateTask): { task: Task; created: boolean } {
    const text = JSON.stringify(request);
    const existing = [...this.#tasks.values()].find(
      ({ task }) => request.idempotencyKey !== undefined && task.idempotencyKey === request.idempotencyKey,
    );
    if (existing !== undefined && existing.request !== text) {
      throw new OpspawnError('idempotency_conflict', 'The idempotency key was used with another request');
    }
    if (existing !== undefined) return { task: existing.task, created: false };
    const task = newTask(principal, request);
    this.#tasks.set(task.id, { task, request: text, entries: [], changes: new EventEmitter() });
    return { task, created: true };
  }
}

const newTask = (principal: Principal, request: CreateTask): Task => ({
  id: randomUUID(),
  namespace: principal.namespace,
  kind: request.kind ?? 'function',
  name: request.name,
  status: 'pending',
  queue: request.queue ?? 'default',
  priority: request.priority ?? 5,
  attempt: 0,
  failures: 0,
  waits: [],
  metadata: request.metadata ?? {},
  entries: 0,
  createdAt: new Date().toISOString(),
  ...(request.input === undefined ? {} : { input: request.input }),
  ...(request.idempotencyKey === undefined ? {} : { idempotencyKey: request.idempotencyKey }),
});
