import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '../../packages/ops-core/src/domain/new-id.ts';
import { openPostgresStore } from '../../packages/ops-core/src/storage/postgres/database/open-store.ts';
import type { ClaimedTask, NewEntry, NewTask, Store } from '../../packages/ops-core/src/storage/store.ts';
import { PostgresServer } from '../../scripts/services/postgres.ts';

const scale = Number(process.env.OPSPAWN_TEST_SCALE ?? 1);
// The services of the run cannot be killed: others use them. Where they could not be had, nor can this one.
const skip = process.env.OPSPAWN_TEST_POSTGRES_URL === undefined ? 'PostgreSQL is missing' : false;
const namespace = 'default';
const steps = 3;

/** A server for this test alone. */
async function startServer(): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'opspawn-postgres-'));
  chmodSync(folder, 0o755);
  const server = await PostgresServer.create(folder);
  const dispose = server[Symbol.asyncDispose].bind(server);
  return Object.assign(server, {
    [Symbol.asyncDispose]: async () => {
      await dispose();
      rmSync(folder, { recursive: true });
    },
  });
}

const newTask = (): NewTask => ({
  id: newId(),
  namespace,
  kind: 'function',
  name: 'steps',
  queue: 'default',
  priority: 5,
});

/** Tries until the database is there again, as callers who are told `unavailable` may. */
async function insist<Result>(call: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'unavailable');
      await sleep(20);
    }
  }
}

/** Runs a task from its last entry on; gives up when it is lost. */
async function runTask(store: Store, task: ClaimedTask): Promise<void> {
  for (let seq = task.lastSeq + 1; seq <= steps; seq += 1) {
    const entries: NewEntry[] = [{ seq, type: 'step.completed', data: String(task.attempt) }];
    const { ok } = await insist(() => store.write({ op: 'append', owner: task, entries }));
    if (!ok) return;
  }
  const entries: NewEntry[] = [{ seq: steps + 1, type: 'task.completed' }];
  await insist(() => store.write({ op: 'finish', owner: task, status: 'completed', entries }));
}

async function work(store: Store, signal: AbortSignal): Promise<void> {
  const id = newId();
  const worker = { id, host: 'test', pid: process.pid, processStart: '', queues: ['default'] };
  await insist(() => store.registerWorker(worker, 3_600_000));
  const running = new Set<Promise<void>>();
  while (!signal.aborted) {
    const request = { workerId: id, queues: ['default'], limit: 20, attemptTimeoutMs: 3_600_000 };
    for (const task of await insist(() => store.claim(request))) {
      const run: Promise<void> = runTask(store, task).finally(() => running.delete(run));
      running.add(run);
    }
    await sleep(1);
  }
  await Promise.all(running);
}

describe('PostgreSQL that is killed under load', { skip, timeout: 300_000 }, () => {
  it('loses no acknowledged task and repeats no step', async () => {
    await using server = await startServer();
    await using store = await openPostgresStore({ url: server.url, giveUpAfterMs: 300 });
    const stopping = new AbortController();
    const working = work(store, stopping.signal);
    const tasks = Array.from({ length: Math.ceil(600 * scale) }, newTask);
    const left = [...tasks];
    const submitters = Array.from({ length: 5 }, async () => {
      for (let task = left.pop(); task !== undefined; task = left.pop()) {
        const submitted = task;
        const result = await insist(() => store.write({ op: 'submit', task: submitted }));
        assert.deepEqual([result.taskId, result.outcome], [task.id, 'created']);
      }
    });
    for (let kill = 0; kill < 3; kill += 1) {
      await sleep(100 + 200 * Math.random());
      await server.kill();
      await server.start();
    }
    await Promise.all(submitters);
    const isUnfinished = async () =>
      (await insist(() => store.tasks({ namespace, status: ['pending', 'running'] }, { limit: 1 }))).length >
      0;
    while (await isUnfinished()) await sleep(20);
    stopping.abort();
    await working;
    for (const { id } of tasks) {
      const journal = await store.journal(id, 0, 100);
      assert.deepEqual(
        journal.map(({ seq, type }) => [seq, type]),
        [1, 2, 3].map((seq): [number, string] => [seq, 'step.completed']).concat([[4, 'task.completed']]),
      );
    }
  });

  it('answers unavailable while it is away, with when to try again, and works on when it is back', async () => {
    await using server = await startServer();
    await using store = await openPostgresStore({ url: server.url, giveUpAfterMs: 100 });
    const task = newTask();
    await store.write({ op: 'submit', task });
    await server.kill();
    const away = { code: 'unavailable', retryAfterMs: 1000, retryable: true };
    await assert.rejects(store.write({ op: 'submit', task: newTask() }), away);
    await assert.rejects(store.task(namespace, task.id), away);
    await assert.rejects(openPostgresStore({ url: server.url }), { code: 'unavailable' });
    await server.start();
    assert.equal((await insist(() => store.write({ op: 'submit', task }))).outcome, 'created');
    assert.equal((await store.task(namespace, task.id))?.status, 'pending');
  });
});
