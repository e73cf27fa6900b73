import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { claim, entry, newWorker } from '../contract/scenario.ts';
import type { Store } from '../store.ts';
import { openSqliteStore } from './database/open-store.ts';
import { startLoad, temporaryDatabase } from './load/load.ts';

const kills = Math.max(1, Math.round(20 * Number(process.env.OPSPAWN_TEST_SCALE ?? 1)));

function checkIntegrity(path: string): void {
  using database = new DatabaseSync(path);
  assert.equal(database.prepare('pragma integrity_check').get()?.integrity_check, 'ok');
}

/** What the process said to be done is there. */
async function checkAcknowledged(store: Store, said: readonly string[]): Promise<void> {
  for (const line of said) {
    const [what, taskId = '', seq] = line.split(' ');
    const task = await store.task('load', taskId);
    assert.ok(task, line);
    if (what === 'a') assert.equal((await store.journal(taskId, 0, 1))[0]?.seq, Number(seq), line);
    if (what === 'f') assert.equal(task.status, 'completed', line);
    assert.notEqual(what, 'e', line);
  }
}

/** Ends what the killed processes left, as their next worker would. */
async function drain(store: Store): Promise<void> {
  const workerId = await newWorker(store);
  for (;;) {
    const claimed = await claim(store, workerId, { queues: ['load'], limit: 1000 });
    if (claimed.length === 0) return;
    for (const owner of claimed) {
      const missing = owner.lastSeq === 0 ? [entry(1)] : [];
      const entries = [...missing, entry(2, { type: 'task.completed' })];
      const result = await store.write({ op: 'finish', owner, status: 'completed', entries });
      assert.ok(result.ok);
    }
  }
}

describe('a store whose process is killed under load', () => {
  it(`has every acknowledged write after each of ${kills} SIGKILLs, and no step twice`, async () => {
    using database = temporaryDatabase();
    const { path } = database;
    const submitted = new Set<string>();
    for (let kill = 0; kill < kills; kill += 1) {
      const load = startLoad(path);
      await load.begun;
      await sleep(randomInt(60));
      await load.stop('SIGKILL');
      checkIntegrity(path);
      await using store = await openSqliteStore({ path });
      await checkAcknowledged(store, load.said);
      for (const line of load.said) if (line.startsWith('s ')) submitted.add(line.slice(2));
      await store.sweep(10_000);
      assert.deepEqual(await store.tasks({ namespace: 'load', status: ['running'] }, { limit: 10 }), []);
    }
    await using store = await openSqliteStore({ path });
    await drain(store);
    assert.ok(submitted.size > 0);
    for (const taskId of submitted) {
      const journal = await store.journal(taskId, 0, 10);
      assert.deepEqual(
        journal.map(({ seq, type }) => [seq, type]),
        [
          [1, 'step.completed'],
          [2, 'task.completed'],
        ],
      );
    }
  });
});
