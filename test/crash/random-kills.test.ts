import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Observer } from './observer.ts';
import { tenStepsOutput } from './shapes.ts';

const scale = Number(process.env.OPSPAWN_TEST_SCALE ?? 1);
/** At scale 5: 200 kills under 2,000 tasks. */
const kills = Math.ceil(40 * scale);
const tasksPerLife = 10;

it('SIGKILL at random moments under load: every acknowledged task ends, or waits in doubt with its evidence', async (t) => {
  const observer = await Observer.open(t);
  for (let life = 0; life < kills; life += 1) {
    const worker = observer.startWorker({ submit: tasksPerLife });
    // Every fourth one dies while it starts.
    if (life % 4 !== 0) await worker.said('ready');
    await sleep(Math.random() * 200);
    await worker.kill();
  }
  const missing = kills * tasksPerLife - acceptedTasks(observer).length;
  const last = observer.startWorker({ submit: missing });
  await last.said('submitted');
  const taskIds = acceptedTasks(observer);
  const doubts = await untilAtRest(observer, taskIds);
  await last.kill();
  for (const taskId of doubts) {
    const task = await observer.get(taskId);
    assert.deepEqual([task.waits.length, task.waits[0]?.kind], [1, 'doubt']);
    const intents = (await observer.journal(taskId)).filter(({ type }) => type === 'step.intended');
    assert.equal(intents.length, 1);
  }
  await observer.finish(taskIds);
  const ledger = observer.ledger();
  let resumed = 0;
  for (const taskId of taskIds) {
    const { task } = await observer.judge(taskId, ledger);
    assert.equal(task.output, tenStepsOutput);
    if (task.attempt > 1) resumed += 1;
  }
  assert.ok(resumed > 0, 'no kill hit a task');
  using database = openReadOnly(join(observer.folder, 'opspawn.db'));
  assert.deepEqual(Object.values(database.prepare('pragma integrity_check').get() ?? {}), ['ok']);
  t.diagnostic(`${kills} kills, ${taskIds.length} tasks, ${resumed} resumed, ${doubts.length} in doubt`);
});

const acceptedTasks = (observer: Observer): string[] => [
  ...new Set(observer.ledger().flatMap((line) => (line.said === 'accepted' ? [line.taskId] : []))),
];

/** Waits until nothing runs. The tasks that wait. */
async function untilAtRest(observer: Observer, taskIds: readonly string[]): Promise<string[]> {
  const open = new Set(taskIds);
  for (;;) {
    const waiting: string[] = [];
    for (const taskId of open) {
      const { status } = await observer.get(taskId);
      if (status === 'completed') open.delete(taskId);
      if (status === 'waiting') waiting.push(taskId);
    }
    if (waiting.length === open.size) return waiting;
    await sleep(50);
  }
}

const openReadOnly = (path: string): DatabaseSync => new DatabaseSync(path, { readOnly: true });
