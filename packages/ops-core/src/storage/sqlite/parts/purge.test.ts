import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { it } from 'node:test';
import {
  entry,
  finish,
  item,
  namespace,
  post,
  submitAndClaim,
  suspend,
  wait,
} from '../../contract/scenario.ts';
import { openSqliteEnd } from '../database/copy-end.ts';
import { openSqliteStore } from '../database/open-store.ts';

const big = JSON.stringify('x'.repeat(100_000));

it('no table keeps a row of a task that was deleted, nor of its big values', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'opspawn-purge-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'opspawn.db');
  {
    await using store = await openSqliteStore({ path });
    const first = await submitAndClaim(store, { input: big, sessionId: 's', idempotencyKey: 'k' });
    const { taskId } = first;
    await store.appendSession(namespace, 's', { runId: taskId, messages: '[]' });
    await suspend(store, first, [wait({ key: 'signal:a', data: big })]);
    const taken = item('signal', { key: 'signal:a', data: big });
    await post(store, taskId, taken);
    await post(store, taskId, item('signal', { key: 'signal:b', data: big }));
    const workerId = first.workerId;
    const [owner] = await store.claim({ workerId, queues: ['default'], limit: 1, attemptTimeoutMs: 1e6 });
    assert.ok(owner);
    const entries = [entry(1, { data: big })];
    await store.write({ op: 'append', owner, entries, takes: [taken.id] });
    await finish(store, owner, 'failed', 2, big);
    const endedBefore = { failed: (await store.now()) + 1 };
    const look = { namespace, ended: 'unsuccessful', endedBefore, rows: 10, entries: 10 } as const;
    assert.equal((await store.purge(look)).deleted, 1);
  }
  await using end = await openSqliteEnd(path, 'target');
  assert.ok(await end.isEmpty());
  using database = new DatabaseSync(path, { readOnly: true });
  assert.deepEqual({ ...database.prepare('select count(*) as blobs from blobs').get() }, { blobs: 0 });
});
