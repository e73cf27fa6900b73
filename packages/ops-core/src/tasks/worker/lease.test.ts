import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { moduleUrl } from '@opspawn/agentkit';
import { temporaryFolder } from '../../../test/opspawn.ts';
import { newId } from '../../domain/new-id.ts';
import { readProcessStart } from '../../host.ts';
import { openSqliteStore } from '../../storage/sqlite/database/open-store.ts';
import type { Store } from '../../storage/store.ts';
import { keepLease, LeaseDeadline } from './lease.ts';

/** Long enough that a busy machine renews it in time. */
const leaseTtlMs = 3_000;

async function openStore(t: TestContext, path: string): Promise<Store> {
  const store = await openSqliteStore({ path });
  t.after(() => store[Symbol.asyncDispose]());
  return store;
}

/** Lets nothing run in this thread, timers included. */
const blockEventLoop = (forMs: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);

/** A registered worker whose lease is kept by a thread or by this one, and what came of it. */
async function keep(t: TestContext, { inThread }: { inThread: boolean }) {
  const path = join(temporaryFolder(t), 'store.db');
  const store = await openStore(t, path);
  const workerId = newId();
  const processStart = readProcessStart(process.pid) ?? '';
  await store.registerWorker(
    { id: workerId, host: 'here', pid: process.pid, processStart, queues: [] },
    leaseTtlMs,
  );
  const deadline = new LeaseDeadline();
  deadline.extend(process.hrtime.bigint(), leaseTtlMs);
  const { promise: lost, resolve: onLost } = Promise.withResolvers<void>();
  const module = moduleUrl('../../start/lease-thread', import.meta.url);
  const database = { kind: 'sqlite', path } as const;
  const thread = inThread ? { module, database } : undefined;
  const lease = keepLease({ store, workerId, leaseTtlMs, deadline, thread, onLost });
  t.after(() => lease[Symbol.asyncDispose]());
  return { store, other: await openStore(t, path), workerId, deadline, lost };
}

describe('a lease', () => {
  it('is kept by a thread while the event loop is busy for longer than it lasts', async (t) => {
    const { other, workerId, deadline } = await keep(t, { inThread: true });
    const until = new BigInt64Array(deadline.shared);
    const [first] = until;
    while (Atomics.load(until, 0) === first) await sleep(10);
    blockEventLoop(1.5 * leaseTtlMs);
    assert.ok(deadline.holds());
    await other.sweep(10);
    assert.equal(await other.renewLease(workerId, leaseTtlMs), true);
  });

  it('is kept for longer than it lasts without a thread', async (t) => {
    const { other, workerId, deadline } = await keep(t, { inThread: false });
    await sleep(1.1 * leaseTtlMs);
    assert.ok(deadline.holds());
    assert.equal(await other.renewLease(workerId, leaseTtlMs), true);
  });

  for (const inThread of [true, false]) {
    it(`that was taken away is reported (${inThread ? 'thread' : 'same thread'})`, async (t) => {
      const { other, workerId, lost } = await keep(t, { inThread });
      await other.removeWorker(workerId);
      await lost;
    });
  }

  it('does not surely hold beyond its time', () => {
    const deadline = new LeaseDeadline();
    assert.equal(deadline.holds(), false);
    const now = process.hrtime.bigint();
    deadline.extend(now, 10_000);
    assert.equal(deadline.holds(), true);
    deadline.extend(now - 10_000_000_000n, 9_999);
    assert.equal(deadline.holds(), false);
    assert.equal(new LeaseDeadline(deadline.shared).holds(), false);
  });
});
