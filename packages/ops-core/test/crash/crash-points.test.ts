import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFinished } from '@opspawn/sdk';
import { localPrincipal } from '../../src/auth/principal.ts';
import { openAgentEnvironment } from '../../src/start/agent-environment.ts';
import { type OpspawnNode, openNode } from '../../src/start/node.ts';
import { Registry } from '../../src/tasks/definitions/registry.ts';
import { temporaryFolder, testSettings, untilFinished } from '../opspawn.ts';
import { type Child, startChild } from './child-process.ts';
import { judgeTask } from './judge.ts';
import type { KillPoint } from './kill-points.ts';
import { Ledger, readLedger } from './ledger.ts';
import { crashConfig, shapes } from './shapes.ts';

const workerModule = new URL('./crashing-worker.ts', import.meta.url);

/** The side that submits, decides and judges. It outlives all workers. */
class Bench {
  readonly #t: TestContext;
  readonly #folder: string;
  readonly #node: OpspawnNode;
  readonly #ledger: Ledger;
  /** Tasks that have not ended, as far as is known. */
  readonly #open = new Set<string>();

  private constructor(t: TestContext, folder: string, node: OpspawnNode) {
    this.#t = t;
    this.#folder = folder;
    this.#node = node;
    this.#ledger = new Ledger(join(folder, 'ledger'));
    t.after(() => this.#ledger.close());
  }

  static async open(t: TestContext): Promise<Bench> {
    const folder = temporaryFolder(t);
    const node = await openNode({ settings: testSettings(folder) });
    t.after(() => node[Symbol.asyncDispose]());
    const environment = await openAgentEnvironment(node, { path: import.meta.filename, config: crashConfig });
    await node.store.registerDefinitions(new Registry(crashConfig, environment).rows('default'));
    return new Bench(t, folder, node);
  }

  async submit(name: string): Promise<string> {
    const { task } = await this.#node.engine.submit(localPrincipal, { name, input: 'Go' });
    this.#ledger.write({ said: 'accepted', taskId: task.id });
    this.#open.add(task.id);
    return task.id;
  }

  startWorker(point?: KillPoint): Child {
    const args = [
      '--folder',
      this.#folder,
      ...(point === undefined ? [] : ['--point', JSON.stringify(point)]),
    ];
    return startChild(this.#t, workerModule, args);
  }

  /**
   * Decides what open tasks ask for until this one has ended, or until the worker has. Whether the task has ended; by
   * default all that are open.
   */
  async attend(worker: Child, taskId?: string): Promise<boolean> {
    let isWorkerGone = false;
    void worker.exited.then(() => {
      isWorkerGone = true;
    });
    for (;;) {
      for (const open of this.#open) await this.#attendTo(open);
      if (taskId === undefined ? this.#open.size === 0 : !this.#open.has(taskId)) return true;
      if (isWorkerGone) return false;
      await sleep(5);
    }
  }

  async #attendTo(taskId: string): Promise<void> {
    const task = await this.#node.engine.get(localPrincipal, taskId);
    assert.notEqual(task.status, 'paused', JSON.stringify(task));
    if (isFinished(task.status)) this.#open.delete(taskId);
    if (task.status === 'waiting') await this.#decide(taskId);
  }

  /** What was done is believed from the ledger; what was not is allowed again. */
  async #decide(taskId: string): Promise<void> {
    const { engine, store } = this.#node;
    for (const { step, hash, kind } of (await store.task('default', taskId))?.waits ?? []) {
      const key = `${taskId}:${hash}`;
      const ignoreLate = (error: { code?: string }) => assert.equal(error.code, 'not_found');
      if (kind === 'approval') {
        await engine.decide(localPrincipal, taskId, step, { approved: true }).catch(ignoreLate);
      }
      if (kind !== 'doubt') continue;
      const done = readLedger(join(this.#folder, 'ledger')).find(
        (line) => line.said === 'done' && line.key === key,
      );
      if (done === undefined) this.#ledger.write({ said: 'allowed', key });
      const result = (done as { value?: never } | undefined)?.value;
      const resolution =
        done === undefined ? ({ action: 'retry' } as const) : ({ action: 'result', result } as const);
      await engine.resolve(localPrincipal, taskId, step, resolution as never).catch(ignoreLate);
    }
  }

  /** Every task that was accepted, and its children, ended well and did nothing twice. How many there were. */
  async judge(name: string): Promise<number> {
    const { engine } = this.#node;
    const ledger = readLedger(join(this.#folder, 'ledger'));
    const accepted = ledger.flatMap((line) => (line.said === 'accepted' ? [line.taskId] : []));
    for (const taskId of accepted) {
      const { task, entries } = await untilFinished(this.#t, engine, taskId);
      assert.deepEqual([task.status, task.output, task.failures], ['completed', shapes[name], 0]);
      judgeTask(taskId, entries, ledger);
      const { items: children } = await engine.list(localPrincipal, { parentId: taskId, limit: 10 });
      assert.equal(children.length, name === 'branches' ? 1 : 0);
      for (const child of children) {
        judgeTask(child.id, (await untilFinished(this.#t, engine, child.id)).entries, ledger);
      }
    }
    return accepted.length;
  }
}

describe('SIGKILL at every point', () => {
  for (const name of Object.keys(shapes)) {
    it(`${name}: is resumed by another process, loses nothing and repeats nothing`, async (t) => {
      const bench = await Bench.open(t);
      let kills = 0;
      for (const where of ['before-write', 'after-write', 'mid-step'] as const) {
        for (let at = 1, wasKilled = true; wasKilled; at += 1) {
          const taskId = await bench.submit(name);
          // It also goes on with what the one before it left.
          const worker = bench.startWorker({ taskId, where, at });
          const hasEnded = await bench.attend(worker, taskId);
          // A kill after the last write may be on its way.
          const exit = hasEnded ? await Promise.race([worker.exited, sleep(30)]) : await worker.exited;
          await worker.kill();
          if (exit !== undefined && exit !== 'SIGKILL')
            assert.fail(`ended with ${exit}: ${await worker.stderr}`);
          wasKilled = exit !== undefined;
          kills += 1;
        }
      }
      const last = bench.startWorker();
      if (!(await bench.attend(last))) assert.fail(await last.stderr);
      await last.kill();
      t.diagnostic(`${kills} kills, ${await bench.judge(name)} tasks`);
    });
  }
});
