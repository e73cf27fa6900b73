import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pg from 'pg';
import { createTestDatabase, skipWithoutPostgres } from '../../../../test/postgres/test-database.ts';
import {
  claim,
  entry,
  finish,
  namespace,
  newTask,
  newWorker,
  release,
  suspend,
  wait,
} from '../../contract/scenario.ts';
import type { TaskLimit } from '../../parts/flow-control.ts';
import type { ClaimedTask, NewTask, Store } from '../../store.ts';
import { openPostgresStore } from '../database/open-store.ts';

const scale = Number(process.env.OPSPAWN_TEST_SCALE ?? 1);
const one: TaskLimit = { key: 'one', maxRunning: 1 };
const two: TaskLimit = { key: 'two', maxRunning: 2 };
const paced: TaskLimit = { key: 'paced', rate: { count: 5, intervalMs: 50 } };
const choices = [[one], [two], [two, one], [paced, two], undefined];

/** Counts who is under a key from before its claim is answered until before it gives its place up. */
class Places {
  readonly #tasks: ReadonlyMap<string, NewTask>;
  readonly #running = new Map<string, number>();

  constructor(tasks: readonly NewTask[]) {
    this.#tasks = new Map(tasks.map((task) => [task.id, task]));
  }

  change({ taskId }: ClaimedTask, by: 1 | -1): void {
    for (const { key, maxRunning = Number.POSITIVE_INFINITY } of this.#tasks.get(taskId)?.limits ?? []) {
      const running = (this.#running.get(key) ?? 0) + by;
      this.#running.set(key, running);
      assert.ok(running <= maxRunning, `${running} tasks run under the key ${key}`);
    }
  }
}

/** The first attempt puts the task off or waits for a child, the next one ends it. */
async function runTask(store: Store, task: ClaimedTask, places: Places): Promise<void> {
  const { taskId, lastSeq, name } = task;
  const isFirst = task.attempt === 1 && task.parentId === undefined;
  const child = newTask({ parentId: taskId, limits: [one] });
  const waits = [wait({ kind: 'child', key: `child:${child.id}` })];
  if (isFirst && name === 'parent')
    await store.write({ op: 'append', owner: task, entries: [entry(1)], children: [child] });
  places.change(task, -1);
  if (isFirst && name === 'put off') {
    assert.ok((await release(store, task, 5)).ok);
  } else if (isFirst && name === 'parent') {
    const result = await suspend(store, task, waits);
    if (!result.ok) assert.ok((await finish(store, task, 'completed', 2)).ok);
  } else assert.ok((await finish(store, task, 'completed', lastSeq + 1)).ok);
}

async function work(store: Store, places: Places, isDone: () => boolean): Promise<void> {
  const workerId = await newWorker(store, 3_600_000);
  while (!isDone()) {
    const claimed = await claim(store, workerId, { limit: 5 });
    for (const task of claimed) places.change(task, 1);
    await Promise.all(claimed.map((task) => runTask(store, task, places)));
    await store.promoteDue(100);
  }
}

describe('limits over several stores on one database in PostgreSQL', { skip: skipWithoutPostgres }, () => {
  it('are kept at every moment, leave nobody behind, and nobody waits in a circle', async () => {
    await using database = await createTestDatabase();
    const stores = await Promise.all([1, 2, 3].map(() => openPostgresStore({ url: database.url })));
    const tasks = Array.from({ length: Math.ceil(90 * scale) }, (_, n) => {
      const limits = choices[n % choices.length];
      return newTask({
        name: ['leaf', 'put off', 'parent'][n % 3] ?? 'leaf',
        ...(limits === undefined ? {} : { limits }),
        ...(n % 4 === 0 ? { sessionId: `s${n % 8}` } : {}),
      });
    });
    const places = new Places(tasks);
    let isDone = false;
    const working = Promise.all(stores.map((store) => work(store, places, () => isDone)));
    const failed = working.then(() => {});
    await Promise.race([
      failed,
      Promise.all(tasks.map((task, n) => (stores[n % 3] as Store).write({ op: 'submit', task }))),
    ]);
    const status = ['pending', 'running', 'waiting'] as const;
    const isBusy = async () => (await stores[0]?.tasks({ namespace, status }, { limit: 1 }))?.length !== 0;
    while (await Promise.race([failed.then(() => false), isBusy()]));
    isDone = true;
    await working;
    const completed = (await stores[0]?.tasks({ namespace, status: ['completed'] }, { limit: 10_000 })) ?? [];
    assert.equal(completed.length, tasks.length + tasks.filter(({ name }) => name === 'parent').length);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query(
      `select (select count(*)::int from opspawn.slots) as slots, deadlocks::int from pg_stat_database
       where datname = current_database()`,
    );
    await client.end();
    assert.deepEqual(rows, [{ slots: 0, deadlocks: 0 }]);
    await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()));
  });
});
