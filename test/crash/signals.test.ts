import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from './child-process.ts';
import type { LedgerLine } from './ledger.ts';
import { Observer } from './observer.ts';

async function untilLedger(
  t: TestContext,
  observer: Observer,
  isWanted: (line: LedgerLine) => boolean,
): Promise<void> {
  while (!observer.ledger().some(isWanted)) {
    t.signal.throwIfAborted();
    await sleep(5);
  }
}

async function untilStatus(
  t: TestContext,
  observer: Observer,
  taskId: string,
  status: string,
): Promise<void> {
  while ((await observer.get(taskId)).status !== status) {
    t.signal.throwIfAborted();
    await sleep(5);
  }
}

/** A process that is stopped in the middle of a transaction holds up all others, as SQLite has it. */
async function stopOutsideTransaction(observer: Observer, worker: Child): Promise<void> {
  using database = new DatabaseSync(join(observer.folder, 'opspawn.db'), { timeout: 50 });
  for (;;) {
    worker.process.kill('SIGSTOP');
    try {
      database.exec('begin immediate; rollback');
      return;
    } catch {
      worker.process.kill('SIGCONT');
      await sleep(1);
    }
  }
}

describe('SIGTERM', () => {
  it('lets tasks end or gives them back: none fails, none is repeated, and the process ends well', async (t) => {
    const observer = await Observer.open(t);
    const gate = join(observer.folder, 'gate');
    const taskIds: string[] = [];
    const held: string[] = [];
    for (let life = 0; life < 3; life += 1) {
      const worker = observer.startWorker({ graceMs: life * 20 });
      const heldId = await observer.submit('held', { effect: 'read', gate, heedsSignal: true });
      for (let i = 0; i < 20; i += 1) taskIds.push(await observer.submit('ten-steps'));
      held.push(heldId);
      await untilLedger(t, observer, (line) => line.said === 'begun' && line.taskId === heldId);
      await untilLedger(t, observer, (line) => line.said === 'begun' && line.taskId === taskIds.at(-20));
      worker.process.kill('SIGTERM');
      assert.equal(await worker.exited, 0, await worker.stderr);
    }
    writeFileSync(gate, '');
    await observer.finish([...taskIds, ...held]);
    const ledger = observer.ledger();
    for (const taskId of taskIds) await observer.judge(taskId, ledger);
    for (const taskId of held) {
      const { task } = await observer.judge(taskId, ledger);
      assert.ok(task.attempt > 1, 'what had not ended was given back');
    }
  });
});

describe('a worker that was stopped for longer than its lease', { concurrency: true }, () => {
  /** Of the one that is stopped: a machine that is merely busy renews it in time. */
  const leaseTtlMs = 2_000;

  /** A worker that is stopped in the middle of the step, and another one that has taken the task over meanwhile. */
  async function takeOver(t: TestContext, effect: 'read' | 'once') {
    const observer = await Observer.open(t);
    const gate = join(observer.folder, 'gate');
    const stopped = observer.startWorker({ leaseTtlMs });
    await stopped.said('ready');
    const taskId = await observer.submit('held', { effect, gate });
    await untilLedger(t, observer, (line) => line.said === 'begun');
    await stopOutsideTransaction(observer, stopped);
    const other = observer.startWorker();
    if (effect === 'read')
      await untilLedger(t, observer, (line) => line.said === 'begun' && line.attempt === 2);
    else await untilStatus(t, observer, taskId, 'waiting');
    writeFileSync(gate, '');
    if (effect === 'read') await untilStatus(t, observer, taskId, 'completed');
    stopped.process.kill('SIGCONT');
    await untilLedger(t, observer, (line) => line.said === 'done' && line.attempt === 1);
    return { observer, stopped, other, taskId, gate };
  }

  it('writes nothing more, and goes on under a new identity', async (t) => {
    const { observer, stopped, other, taskId, gate } = await takeOver(t, 'read');
    const { task } = await observer.judge(taskId, observer.ledger());
    assert.deepEqual([task.output, task.attempt], ['worked', 2]);
    const attempts = (await observer.journal(taskId)).map(({ attempt }) => attempt);
    assert.deepEqual(attempts, [2, 2]);
    await other.kill();
    const next = await observer.submit('held', { effect: 'read', gate });
    assert.ok(await observer.attend([next], stopped), 'the worker that was stopped takes tasks again');
    await observer.judge(next, observer.ledger());
  });

  it('leaves evidence of an effect that it finished too late, which is then not done again', async (t) => {
    const { observer, other, taskId } = await takeOver(t, 'once');
    const findEvidence = async () =>
      (await observer.journal(taskId)).find(({ type }) => type === 'doubt.evidence');
    while ((await findEvidence()) === undefined) {
      t.signal.throwIfAborted();
      await sleep(5);
    }
    await untilStatus(t, observer, taskId, 'waiting');
    const asked = (await observer.get(taskId)).waits[0]?.data as { evidence?: unknown };
    assert.deepEqual(asked.evidence, [{ attempt: 1, ok: true, value: 'worked' }], 'who decides sees it');
    assert.ok(await observer.attend([taskId], other));
    const { task } = await observer.judge(taskId, observer.ledger());
    assert.equal(task.output, 'worked');
    assert.deepEqual((await findEvidence())?.data, { evidence: { attempt: 1, ok: true, value: 'worked' } });
  });
});
