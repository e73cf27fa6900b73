import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { claim, newTask, newWorker, readyIds, submit, submitAndClaim } from '../contract/scenario.ts';
import { openSqliteStore } from './database/open-store.ts';
import { startLoad, temporaryDatabase } from './load/load.ts';

const scale = Number(process.env.OPSPAWN_TEST_SCALE ?? 1);

describe('a database shared by processes', () => {
  it('loses nothing, does nothing twice, and tells no caller that it is busy', async () => {
    using database = temporaryDatabase();
    const tasks = Math.max(10, Math.round(400 * scale));
    await using store = await openSqliteStore({ path: database.path });
    const loads = [1, 2, 3].map(() => startLoad(database.path, { callers: 10, tasks }));
    const said = (what: string) =>
      loads.flatMap((load) => load.said).filter((line) => line.startsWith(`${what} `));
    while (said('f').length < tasks * loads.length && said('e').length === 0) {
      assert.ok(!loads.some((load) => load.hasEnded()), 'a process ended by itself');
      await sleep(20);
    }
    for (const load of loads) await load.stop('SIGTERM');
    assert.deepEqual(said('e'), []);
    const submitted = said('s').map((line) => line.slice(2));
    assert.equal(new Set(submitted).size, tasks * loads.length);
    assert.deepEqual(
      said('f')
        .map((line) => line.slice(2))
        .sort(),
      submitted.sort(),
    );
    assert.equal(said('a').length, submitted.length);
    for (const taskId of submitted) assert.equal((await store.journal(taskId, 0, 10)).length, 2);
  });

  it('is made once when several open a new file at the same moment', async () => {
    const files = Array.from({ length: 60 }, () => temporaryDatabase());
    const openAll = `
      const { parentPort, workerData: { open, paths } } = require('node:worker_threads');
      import(open).then(({ openSqliteStore }) => {
        parentPort.once('message', async () => {
          for (const path of paths) await (await openSqliteStore({ path }))[Symbol.asyncDispose]();
        });
        parentPort.postMessage('ready');
      });`;
    const workerData = {
      open: new URL('./database/open-store.ts', import.meta.url).href,
      paths: files.map(({ path }) => path),
    };
    const threads = [1, 2, 3, 4].map(() => new Worker(openAll, { eval: true, workerData }));
    await Promise.all(threads.map((thread) => once(thread, 'message')));
    const ended = threads.map((thread) => once(thread, 'exit'));
    for (const thread of threads) thread.postMessage('go');
    assert.deepEqual(await Promise.all(ended), [[0], [0], [0], [0]]);
    for (const file of files) file[Symbol.dispose]();
  });

  it('takes over at once what a process that was killed held, long before its lease ends', async () => {
    using database = temporaryDatabase();
    const load = startLoad(database.path);
    await load.begun;
    await load.stop('SIGKILL');
    await using store = await openSqliteStore({ path: database.path });
    const running = { namespace: 'load', status: ['running'] } as const;
    const held = (await store.tasks(running, { limit: 1000 })).length;
    const live = await newWorker(store);
    await submit(store);
    assert.equal((await claim(store, live)).length, 1);
    assert.equal(await store.sweep(1000), held);
    assert.deepEqual(await store.tasks(running, { limit: 10 }), []);
    assert.ok(await store.renewLease(live, 1000), 'a live process keeps its lease');
  });

  it('keeps a lease that another thread renews while the event loop is blocked', async () => {
    using database = temporaryDatabase();
    await using store = await openSqliteStore({ path: database.path });
    const leaseTtlMs = 1500;
    const workerId = await newWorker(store, 60_000);
    const lease = new URL('./scheduling/lease.ts', import.meta.url).href;
    const thread = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads');
       const { lease, path, workerId, leaseTtlMs } = workerData;
       import(lease).then(({ openLeaseConnection }) => {
         const connection = openLeaseConnection(path);
         setInterval(() => {
           if (!connection.renew(workerId, leaseTtlMs)) throw new Error('the lease was lost');
           parentPort.postMessage('renewed');
         }, 20);
       });`,
      { eval: true, workerData: { lease, path: database.path, workerId, leaseTtlMs } },
    );
    await once(thread, 'message');
    // Blocks this thread, timers included, for twice the lease's life.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * leaseTtlMs);
    await submit(store);
    assert.equal((await claim(store, workerId)).length, 1);
    await thread.terminate();
  });
});

describe('the sweep', () => {
  it('finds an overdue attempt behind any number of other tasks', async () => {
    let at = Date.now();
    const now = () => at;
    await using store = await openSqliteStore({ path: ':memory:', now, leaseClock: { now, bootId: 'test' } });
    await store.submitMany(Array.from({ length: 12_000 }, () => newTask({ queue: 'crowd' })));
    const overdue = await submitAndClaim(store, { attemptTimeoutMs: 1000 });
    at += 1000;
    const taken: number[] = [];
    for (let sweep = 0; sweep < 6; sweep += 1) taken.push(await store.sweep(100));
    assert.deepEqual(taken, [0, 0, 1, 0, 0, 0]);
    assert.deepEqual(await readyIds(store), [overdue.taskId]);
  });
});
