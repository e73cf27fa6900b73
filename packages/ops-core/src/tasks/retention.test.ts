import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { finish, namespace, newTask, submit, submitAndClaim } from '../storage/contract/scenario.ts';
import { openSqliteStore } from '../storage/sqlite/database/open-store.ts';
import { purgeMemories, purgeNamespace } from './retention.ts';

const day = 24 * 3_600_000;
const forever = { completedMs: null, failedMs: null, cancelledMs: null };

describe('retention', () => {
  it('deletes all that is over its time in as many looks as it takes, and nothing else', async () => {
    let at = Date.now();
    await using store = await openSqliteStore({ path: ':memory:', now: () => at });
    const { signal } = new AbortController();
    await store.submitMany(Array.from({ length: 1_200 }, () => newTask()));
    await store.registerWorker({ id: 'w', host: 'h', pid: 1, processStart: '', queues: [] }, 100 * day);
    const claimed = () =>
      store.claim({ workerId: 'w', queues: ['default'], limit: 2_000, attemptTimeoutMs: day });
    const owners = await claimed();
    await Promise.all(
      owners.map((owner, index) => finish(store, owner, index % 3 === 0 ? 'failed' : 'completed')),
    );
    at += 35 * day;
    const young = await submitAndClaim(store);
    await finish(store, young);
    const open = await submit(store);
    const count = async () => (await store.taskIds({ namespace }, { limit: 10_000 })).length;
    assert.equal(await purgeNamespace(store, { namespace, retention: forever, signal }), 0);
    const month = { completedMs: 30 * day, failedMs: null, cancelledMs: 30 * day };
    assert.equal(await purgeNamespace(store, { namespace, retention: month, signal }), 800);
    assert.equal(await count(), 402);
    const failed = { ...forever, failedMs: 0 };
    at += 1;
    assert.equal(await purgeNamespace(store, { namespace, retention: failed, signal }), 400);
    assert.deepEqual(await store.taskIds({ namespace }, { limit: 10 }), [open, young.taskId]);
  });

  it('deletes memories whose time has come, however many, and keeps the others', async () => {
    await using store = await openSqliteStore({ path: ':memory:', now: () => 5_000 });
    const source = { by: 'test', isFromOutside: false };
    const put = (id: string, expiresAt: number) =>
      store.memories.put({ id, text: id, scope: { namespace }, source, createdAt: 1, expiresAt }, ['tea']);
    for (let number = 0; number < 1_200; number += 1) await put(`over${number}`, 5_000);
    await put('later', 5_001);
    await purgeMemories(store, new AbortController().signal);
    const left = await store.memories.byWords({ scope: { namespace }, at: 1 }, ['tea'], 10);
    assert.deepEqual(
      left.map(({ id }) => id),
      ['later'],
    );
  });

  it('stops between two looks when it is told to', async () => {
    await using store = await openSqliteStore({ path: ':memory:' });
    const stopped = AbortSignal.abort();
    const owner = await submitAndClaim(store);
    await finish(store, owner);
    const retention = { completedMs: 0, failedMs: 0, cancelledMs: 0 };
    assert.equal(await purgeNamespace(store, { namespace, retention, signal: stopped }), 0);
  });
});
