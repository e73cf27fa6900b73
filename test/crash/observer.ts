import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Json } from '@opspawn/agentkit';
import { type Entry, isFinished, type Resolution, type Task } from '@opspawn/sdk';
import { localPrincipal } from '../../packages/ops-core/src/auth/principal.ts';
import { openAgentEnvironment } from '../../packages/ops-core/src/start/agent-environment.ts';
import { type OpspawnNode, openNode } from '../../packages/ops-core/src/start/node.ts';
import type { StoredWait } from '../../packages/ops-core/src/storage/store.ts';
import { Registry } from '../../packages/ops-core/src/tasks/definitions/registry.ts';
import type { Engine } from '../../packages/ops-core/src/tasks/engine-interface.ts';
import { temporaryFolder, testSettings, untilFinished } from '../../packages/ops-core/test/opspawn.ts';
import { type Child, startChild } from './child-process.ts';
import { judgeTask } from './judge.ts';
import { Ledger, type LedgerLine, readLedger } from './ledger.ts';
import { crashConfig } from './shapes.ts';

const workerModule = new URL('./crashing-worker.ts', import.meta.url);

/** Options of the worker's process. */
export type WorkerArguments = Readonly<Record<string, string | number | undefined>>;

/** The side that submits, decides and judges. It runs nothing itself and outlives all workers. */
export class Observer {
  readonly folder: string;
  readonly #t: TestContext;
  readonly #node: OpspawnNode;
  readonly #ledger: Ledger;

  private constructor(t: TestContext, folder: string, node: OpspawnNode) {
    this.folder = folder;
    this.#t = t;
    this.#node = node;
    this.#ledger = new Ledger(join(folder, 'ledger'));
    t.after(() => this.#ledger.close());
  }

  static async open(t: TestContext): Promise<Observer> {
    const folder = temporaryFolder(t);
    const node = await openNode({ settings: testSettings(folder) });
    t.after(() => node[Symbol.asyncDispose]());
    const loaded = { path: import.meta.filename, config: crashConfig };
    const stack = new AsyncDisposableStack();
    const environment = await openAgentEnvironment(node, loaded, stack);
    t.after(() => stack[Symbol.asyncDispose]());
    await node.store.registerDefinitions(new Registry(crashConfig, environment).rows('default'));
    return new Observer(t, folder, node);
  }

  get engine(): Engine {
    return this.#node.engine;
  }

  ledger(): LedgerLine[] {
    return readLedger(join(this.folder, 'ledger'));
  }

  async submit(name: string, input: Json = 'Go'): Promise<string> {
    const { task } = await this.engine.submit(localPrincipal, { name, input });
    this.#ledger.write({ said: 'accepted', taskId: task.id });
    return task.id;
  }

  startWorker(options: WorkerArguments = {}): Child {
    const args = Object.entries({ ...options, folder: this.folder }).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name}`, String(value)],
    );
    return startChild(this.#t, workerModule, args);
  }

  get(taskId: string): Promise<Task> {
    return this.engine.get(localPrincipal, taskId);
  }

  async journal(taskId: string): Promise<Entry[]> {
    return (await this.engine.journal(localPrincipal, taskId, { after: 0, limit: 1000 })).items;
  }

  /** Decides what these tasks ask for until all have ended, or until the worker has. Whether all tasks have ended. */
  async attend(taskIds: readonly string[], worker: Child): Promise<boolean> {
    let isWorkerGone = false;
    void worker.exited.then(() => {
      isWorkerGone = true;
    });
    const open = new Set(taskIds);
    for (;;) {
      for (const taskId of open) {
        const task = await this.get(taskId);
        assert.notEqual(task.status, 'paused', JSON.stringify(task));
        if (isFinished(task.status)) open.delete(taskId);
        if (task.status === 'waiting') await this.#decide(taskId);
      }
      if (open.size === 0) return true;
      if (isWorkerGone) return false;
      await sleep(5);
    }
  }

  /** Lets a worker finish these tasks. */
  async finish(taskIds: readonly string[]): Promise<void> {
    const worker = this.startWorker();
    if (!(await this.attend(taskIds, worker))) assert.fail(await worker.stderr);
    await worker.kill();
  }

  /** The task, which must have ended well, and its children have lost nothing and repeated nothing. */
  async judge(taskId: string, ledger: readonly LedgerLine[]): Promise<{ task: Task; children: Task[] }> {
    const { task, entries } = await untilFinished(this.#t, this.engine, taskId);
    assert.deepEqual([task.status, task.failures], ['completed', 0], JSON.stringify(task));
    judgeTask(taskId, entries, ledger);
    const { items: children } = await this.engine.list(localPrincipal, { parentId: taskId, limit: 100 });
    for (const child of children) await this.judge(child.id, ledger);
    return { task, children };
  }

  /** A person agrees to everything, and answers doubts by what the ledger saw. */
  async #decide(taskId: string): Promise<void> {
    for (const wait of (await this.#node.store.task('default', taskId))?.waits ?? []) {
      const decided =
        wait.kind === 'approval'
          ? this.engine.decide(localPrincipal, taskId, wait.step, { approved: true })
          : wait.kind === 'doubt'
            ? this.engine.resolve(localPrincipal, taskId, wait.step, this.#resolution(taskId, wait))
            : undefined;
      // The worker may have gone on with an earlier answer.
      await decided?.catch((error: { code?: string }) => assert.equal(error.code, 'not_found'));
    }
  }

  #resolution(taskId: string, { hash }: StoredWait): Resolution {
    const key = `${taskId}:${hash}`;
    const done = this.ledger().find((line) => line.said === 'done' && line.key === key);
    if (done?.said === 'done') return { action: 'result', result: done.value as Json };
    this.#ledger.write({ said: 'allowed', key });
    return { action: 'retry' };
  }
}
