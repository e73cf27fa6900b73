import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { claim, newTask, newWorker, submit, task } from '../../contract/scenario.ts';
import type { Store } from '../../store.ts';
import { openSqliteStore } from '../database/open-store.ts';
import type { Wal } from '../database/wal.ts';
import { temporaryDatabase } from '../load/load.ts';

/** A log whose syncs take until they are let through, or fail. */
class SlowWal implements Wal {
  readonly #syncs: PromiseWithResolvers<void>[] = [];
  count = 0;

  sync(): Promise<void> {
    this.count += 1;
    const sync = Promise.withResolvers<void>();
    this.#syncs.push(sync);
    return sync.promise;
  }

  letThrough(): void {
    for (const sync of this.#syncs.splice(0)) sync.resolve();
  }

  fail(error: Error): void {
    for (const sync of this.#syncs.splice(0)) sync.reject(error);
  }

  [Symbol.dispose](): void {}
}

const turns = async (count = 10): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await nextTurn();
};

const submitOne = (store: Store) => store.write({ op: 'submit', task: newTask() });

describe('a commit', () => {
  it('is answered when it is on the disk, and what is asked for meanwhile shares the next one', async () => {
    using database = temporaryDatabase();
    const wal = new SlowWal();
    await using store = await openSqliteStore({ path: database.path, wal });
    let answered = 0;
    const submitting = () =>
      submitOne(store).then(() => {
        answered += 1;
      });
    const first = submitting();
    await turns();
    const others = Array.from({ length: 20 }, submitting);
    await turns();
    assert.deepEqual([answered, wal.count], [0, 1]);
    wal.letThrough();
    await first;
    await turns();
    assert.deepEqual([answered, wal.count], [1, 2]);
    wal.letThrough();
    await Promise.all(others);
  });

  it('that changes nothing waits for no disk', async () => {
    using database = temporaryDatabase();
    const wal = new SlowWal();
    await using store = await openSqliteStore({ path: database.path, wal });
    assert.deepEqual([await store.promoteDue(10), wal.count], [undefined, 0]);
  });

  it('that the disk refuses is not acknowledged, nor is any later one until the database is opened anew', async () => {
    using database = temporaryDatabase();
    const wal = new SlowWal();
    {
      await using store = await openSqliteStore({ path: database.path, wal });
      const submitting = submitOne(store);
      await turns();
      wal.fail(new Error('EIO'));
      await assert.rejects(submitting, { code: 'unavailable', message: /EIO/ });
      await assert.rejects(submitOne(store), { code: 'unavailable', message: /EIO/ });
    }
    await using store = await openSqliteStore({ path: database.path });
    const taskId = await submit(store);
    assert.equal((await task(store, taskId)).status, 'pending');
  });

  it('answers a claim at once, and tells it when the disk has what it claims', async () => {
    using database = temporaryDatabase();
    const wal = new SlowWal();
    await using store = await openSqliteStore({ path: database.path, wal });
    const joining = newWorker(store);
    await turns();
    wal.letThrough();
    const workerId = await joining;
    for (const failure of [undefined, new Error('EIO')]) {
      let isAccepted = false;
      const submitting = submitOne(store).then(() => {
        isAccepted = true;
      });
      submitting.catch(() => {});
      const [claimed] = await claim(store, workerId);
      assert.deepEqual([claimed?.attempt, isAccepted], [1, false]);
      if (failure === undefined) wal.letThrough();
      else wal.fail(failure);
      assert.match(String(await claimed?.onDisk), failure === undefined ? /^undefined$/ : /EIO/);
      await turns();
      assert.equal(isAccepted, failure === undefined);
    }
  });
});
