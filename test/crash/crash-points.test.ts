import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Observer } from './observer.ts';
import { shapes } from './shapes.ts';

describe('SIGKILL before and after every write and in every step', () => {
  for (const [name, output] of Object.entries(shapes)) {
    it(`${name}: another process resumes it, nothing is lost and nothing is repeated`, async (t) => {
      const observer = await Observer.open(t);
      const taskIds: string[] = [];
      for (const where of ['before-write', 'after-write', 'mid-step'] as const) {
        for (let at = 1, wasKilled = true; wasKilled; at += 1) {
          const taskId = await observer.submit(name);
          taskIds.push(taskId);
          // It also goes on with what the ones before it left.
          const worker = observer.startWorker({ point: JSON.stringify({ taskId, where, at }) });
          const hasEnded = await observer.attend([taskId], worker);
          // A kill after the last write may be on its way.
          const exit = hasEnded ? await Promise.race([worker.exited, sleep(30)]) : await worker.exited;
          await worker.kill();
          wasKilled = exit !== undefined;
          if (wasKilled && exit !== 'SIGKILL') assert.fail(`ended with ${exit}: ${await worker.stderr}`);
        }
      }
      await observer.finish(taskIds);
      const ledger = observer.ledger();
      for (const taskId of taskIds) {
        const { task, children } = await observer.judge(taskId, ledger);
        assert.deepEqual([task.output, children.length], [output, name === 'branches' ? 1 : 0]);
      }
      t.diagnostic(`${taskIds.length} tasks, all but three of them killed`);
    });
  }
});
