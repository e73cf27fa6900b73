import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { TaskLimit } from '../parts/flow-control.ts';
import type { ClaimedTask, InboxItem, Store, TaskRow } from '../store.ts';
import {
  attemptTimeoutMs,
  entry,
  finish,
  item,
  leaseTtlMs,
  namespace,
  newTask,
  newWorker,
  queue,
  release,
  suspend,
  wait,
} from './scenario.ts';

const sessions = ['a', 'b', undefined, undefined];
const limits: readonly (readonly TaskLimit[])[] = [
  [{ key: 'one', maxRunning: 1 }],
  [{ key: 'two', maxRunning: 2 }],
  [
    { key: 'two', maxRunning: 2 },
    { key: 'one', maxRunning: 1 },
  ],
  [{ key: 'paced', rate: { count: 2, intervalMs: 1000 } }],
];
const kinds: readonly InboxItem['kind'][] = ['signal', 'signal', 'cancel', 'pause', 'resume'];

/** The time of a store, which the walk moves. */
export interface WalkClock {
  /** Unix ms. */
  readonly at: number;
  advance(ms: number): void | Promise<void>;
}

/** A walk's steps: what happens, and a number by which it is chosen to what. */
export const walkSteps = fc.array(fc.tuple(fc.nat(11), fc.nat(1000)), { minLength: 10, maxLength: 80 });

/** What may happen to a store; `pick` chooses among what there is. */
export class RandomWalk {
  readonly store: Store;
  readonly #clock: WalkClock;
  readonly #attempts = new Map<string, number>();
  #owners: ClaimedTask[] = [];
  readonly #cancelled = new Set<string>();
  #ids: string[] = [];
  #worker: string | undefined;

  constructor(store: Store, clock: WalkClock) {
    this.store = store;
    this.#clock = clock;
  }

  async step(what: number, pick: number): Promise<void> {
    const owner = this.#owners[pick % Math.max(1, this.#owners.length)];
    const taskId = this.#ids[pick % Math.max(1, this.#ids.length)];
    if (what === 0) await this.#submit(pick);
    else if (what === 1) await this.claim(1 + (pick % 3));
    else if (what === 2) await this.#advance(pick % 4 === 0 ? leaseTtlMs + 1 : 200);
    else if (what === 3 && taskId !== undefined)
      await this.#post(taskId, kinds[pick % kinds.length] ?? 'signal');
    else if (what === 4 && taskId !== undefined)
      await this.store.write({ op: 'reopen', namespace, taskId, itemId: newTask().id });
    else if (what > 4 && owner !== undefined) await this.#work(owner, what, pick);
  }

  async #submit(pick: number): Promise<void> {
    const sessionId = sessions[pick % sessions.length];
    const dueAt = pick % 5 === 0 ? this.#clock.at + 150 : undefined;
    const task = newTask({
      ...(sessionId ? { sessionId } : {}),
      ...(dueAt ? { dueAt } : {}),
      ...this.#limits(pick),
    });
    this.#ids.push(task.id);
    await this.store.write({ op: 'submit', task });
  }

  #limits(pick: number): { limits?: readonly TaskLimit[] } {
    const chosen = limits[pick % 7];
    return chosen === undefined ? {} : { limits: chosen };
  }

  async claim(limit: number): Promise<readonly ClaimedTask[]> {
    if (this.#worker === undefined || !(await this.store.renewLease(this.#worker, leaseTtlMs)))
      this.#worker = await newWorker(this.store);
    const claimed = await this.store.claim({
      workerId: this.#worker,
      queues: [queue],
      limit,
      attemptTimeoutMs,
    });
    for (const task of claimed) {
      assert.ok(task.attempt > (this.#attempts.get(task.taskId) ?? 0), 'an attempt’s number is used once');
      this.#attempts.set(task.taskId, task.attempt);
    }
    this.#owners.push(...claimed);
    return claimed;
  }

  async #advance(ms: number): Promise<void> {
    await this.#clock.advance(ms);
    await this.store.promoteDue(100);
    await this.store.sweep(100);
  }

  async #post(taskId: string, kind: InboxItem['kind']): Promise<void> {
    const key = kind === 'signal' ? 'signal:go' : '';
    if (kind === 'cancel') this.#cancelled.add(taskId);
    await this.store.write({ op: 'post', namespace, taskId, item: item(kind, { key }) });
  }

  async #work(owner: ClaimedTask, what: number, pick: number): Promise<void> {
    const { store } = this;
    const seq = (await this.row(owner.taskId)).lastSeq + 1;
    const takes = pick % 2 === 0 ? (await store.inbox(owner.taskId)).map(({ id }) => id) : [];
    if (what === 5) await finish(store, owner, pick % 3 === 0 ? 'failed' : 'completed', seq);
    else if (what === 6) await release(store, owner, pick % 2 === 0 ? 0 : 100);
    else if (what === 7) await suspend(store, owner, [wait({ key: 'signal:go' })], takes);
    else if (what === 8) await suspend(store, owner, [wait({ dueAt: this.#clock.at + 100 })], takes);
    else if (what === 9) await store.write({ op: 'pause', owner, entries: [], reason: 'budget', takes });
    else if (what === 10) await store.write({ op: 'append', owner, entries: [entry(seq)], takes });
    else {
      const child = newTask({ parentId: owner.taskId, ...this.#limits(pick) });
      const result = await store.write({ op: 'append', owner, entries: [], children: [child] });
      if (result.ok) this.#ids.push(child.id);
    }
  }

  async row(taskId: string): Promise<TaskRow> {
    return (await this.store.task(namespace, taskId)) ?? assert.fail(`task ${taskId} is lost`);
  }

  /** A session has one task that is under way, not counting children and those that a cancel woke. */
  async checkSessions(): Promise<void> {
    for (const sessionId of ['a', 'b']) {
      const status = ['running'] as const;
      const rows = await this.store.tasks({ namespace, sessionId, status }, { limit: 100 });
      const inTurn = rows.filter((row) => row.parentId === undefined && !this.#cancelled.has(row.id));
      assert.ok(inTurn.length <= 1, `${inTurn.length} tasks of session ${sessionId} run`);
    }
  }

  /** No key has more tasks running than it may, not counting those that a cancel woke and those that go on under a parent. */
  async checkLimits(): Promise<void> {
    const rows = await this.store.tasks({ namespace, status: ['running'] }, { limit: 200 });
    for (const [key, most] of [
      ['one', 1],
      ['two', 2],
    ] as const) {
      const under = rows.filter(
        (row) =>
          row.parentId === undefined &&
          !this.#cancelled.has(row.id) &&
          row.limits.some((limit) => limit.key === key),
      );
      assert.ok(under.length <= most, `${under.length} tasks run under the key ${key}`);
    }
  }

  /** Ends all that is there, as workers and people would. How many are left. */
  async settle(): Promise<number> {
    for (let round = 0; round < 200; round += 1) {
      let unfinished = 0;
      for (const taskId of this.#ids) {
        const { status } = await this.row(taskId);
        if (status === 'waiting') await this.#post(taskId, 'signal');
        if (status === 'paused') await this.#post(taskId, 'resume');
        if (!['completed', 'failed', 'cancelled'].includes(status)) unfinished += 1;
      }
      if (unfinished === 0) return 0;
      await this.#advance(leaseTtlMs + 1);
      for (const owner of await this.claim(100))
        await finish(this.store, owner, 'completed', owner.lastSeq + 1);
    }
    return this.#ids.length;
  }
}
