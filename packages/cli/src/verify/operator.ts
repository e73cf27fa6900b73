/** The side that submits tasks, decides about effects in doubt, and reads what became of everything. */
import { setTimeout as sleep } from 'node:timers/promises';
import { OpspawnError } from '@opspawn/agentkit';
import { type OpspawnNode, openNode, type Principal, purgeNamespace, type Settings } from '@opspawn/ops-core';
import type { Entry, ErrorCode, Task } from '@opspawn/sdk';
import { type LedgerClient, openLedger, readLedger } from './ledger.ts';
import { functionName } from './ten-steps.ts';
import type { JudgedTask } from './verdict.ts';

export interface OperatorOptions {
  settings: Settings;
  namespace: string;
  queue: string;
  ledger: { socketPath: string; filePath: string };
}

const page = 200;
const dayMs = 24 * 3_600_000;
/** Of all its namespaces; those of a run that was killed stay until a later one finds them. */
export const namespacePrefix = 'verify-';
/** How many calls are made side by side. */
const width = 20;

export class Operator implements AsyncDisposable {
  readonly accepted: string[] = [];
  readonly #node: OpspawnNode;
  readonly #principal: Principal;
  readonly #ledger: LedgerClient;
  readonly #options: OperatorOptions;

  private constructor(node: OpspawnNode, ledger: LedgerClient, options: OperatorOptions) {
    this.#node = node;
    this.#ledger = ledger;
    this.#options = options;
    this.#principal = { namespace: options.namespace, name: 'verify' };
  }

  static async open(options: OperatorOptions): Promise<Operator> {
    const ledger = await openLedger(options.ledger.socketPath);
    return new Operator(await openNode({ settings: options.settings }), ledger, options);
  }

  /** Deletes what runs that were killed left behind: its tasks end within a day by themselves. */
  static async forgetOld(settings: Settings, signal: AbortSignal): Promise<void> {
    await using node = await openNode({ settings });
    const all = await insist(() => node.store.namespaces());
    for (const namespace of all.filter((name) => name.startsWith(namespacePrefix))) {
      // Somebody's own may be called so: in ours nothing else can be run.
      const definitions = await insist(() => node.store.definitions(namespace));
      const isOurs = definitions.length > 0 && definitions.every(({ name }) => name === functionName);
      if (isOurs) await forget(node, namespace, { keptMs: dayMs, signal });
    }
  }

  /** Submits so many tasks, each with a key of its own, so that one that was answered by an error can be sent again. */
  async submit(count: number): Promise<void> {
    const { queue } = this.#options;
    const from = this.accepted.length;
    await inParallel(Array.from({ length: count }), async (_, index) => {
      const request = { name: functionName, queue, idempotencyKey: `${from + index}`, timeoutMs: dayMs };
      const { task } = await insist(() => this.#node.engine.submit(this.#principal, request));
      this.accepted.push(task.id);
    });
  }

  /** Tasks that a worker is to do something about, at most `page`. */
  async unfinished(): Promise<Task[]> {
    const status = ['pending', 'running', 'paused'] as const;
    return (await insist(() => this.#node.engine.list(this.#principal, { status, limit: page }))).items;
  }

  async inDoubt(): Promise<Task[]> {
    const query = { status: ['waiting'] as const, limit: page };
    return (await insist(() => this.#node.engine.list(this.#principal, query))).items;
  }

  /** Answers the doubts by what the ledger saw. Only while nobody can still be in the middle of the effect. */
  async decide(waiting: readonly Task[]): Promise<void> {
    const ledger = readLedger(this.#options.ledger.filePath);
    const done = new Set(ledger.flatMap((line) => (line.said === 'done' ? [line.key] : [])));
    const keys = new Map(
      ledger.flatMap((line) => (line.said === 'begun' && line.isOnce ? [[line.taskId, line.key]] : [])),
    );
    await inParallel(waiting, async ({ id }) => {
      const { waits } = await insist(() => this.#node.engine.get(this.#principal, id));
      for (const { step } of waits.filter(({ kind }) => kind === 'doubt'))
        await this.#resolve(id, step, keys.get(id), done);
    });
  }

  /** Every task that was accepted, with its whole journal. */
  async *everything(): AsyncIterable<JudgedTask> {
    for (let from = 0; from < this.accepted.length; from += width) {
      const ids = this.accepted.slice(from, from + width);
      yield* await Promise.all(ids.map((taskId) => this.#read(taskId)));
    }
  }

  /** Has what is not finished cancelled, for workers to write its end. How many there were, at most two pages. */
  async cancelAll(): Promise<number> {
    const open = [...(await this.unfinished()), ...(await this.inDoubt())];
    await inParallel(open, async ({ id }) => {
      // It may have ended a moment before.
      await insist(() => this.#node.engine.cancel(this.#principal, id, {})).catch(allBut('wrong_state'));
    });
    return open.length;
  }

  /** Deletes all that has ended, and the namespace with it. */
  async forget(): Promise<void> {
    const { namespace } = this.#options;
    await forget(this.#node, namespace, { keptMs: -dayMs, signal: new AbortController().signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ledger[Symbol.dispose]();
    await this.#node[Symbol.asyncDispose]();
  }

  /** The effect is what the ledger says it is: a step that was not even begun was not done either. */
  async #resolve(taskId: string, step: string, key: string | undefined, done: Set<string>): Promise<void> {
    const isDone = key !== undefined && done.has(key);
    if (!isDone && key !== undefined) await this.#ledger.say({ said: 'allowed', key });
    const word = isDone ? ({ action: 'result', result: 5 } as const) : ({ action: 'retry' } as const);
    // Answered before, by a call whose answer was lost.
    await insist(() => this.#node.engine.resolve(this.#principal, taskId, step, word)).catch(
      allBut('not_found'),
    );
  }

  async #read(taskId: string): Promise<JudgedTask> {
    try {
      const task = await insist(() => this.#node.engine.get(this.#principal, taskId));
      const entries: Entry[] = [];
      for (let after: number | undefined = 0; after !== undefined; ) {
        const { items, nextAfter } = await this.#journal(taskId, after);
        entries.push(...items);
        after = nextAfter;
      }
      return { taskId, task, entries };
    } catch (thrown) {
      if (thrown instanceof OpspawnError && thrown.code === 'not_found')
        return { taskId, task: undefined, entries: [] };
      throw thrown;
    }
  }

  #journal(taskId: string, after: number) {
    return insist(() => this.#node.engine.journal(this.#principal, taskId, { after, limit: 1_000 }));
  }
}

/** A task whose namespace is still used keeps what it can run. */
async function forget(
  { store }: OpspawnNode,
  namespace: string,
  { keptMs, signal }: { keptMs: number; signal: AbortSignal },
): Promise<void> {
  const retention = { completedMs: keptMs, failedMs: keptMs, cancelledMs: keptMs };
  await insist(() => purgeNamespace(store, { namespace, retention, signal }));
  const left = await insist(() => store.taskIds({ namespace }, { limit: 1 }));
  if (left.length === 0) await insist(() => store.removeDefinitions(namespace));
}

const allBut =
  (code: ErrorCode) =>
  (thrown: unknown): void => {
    if (!(thrown instanceof OpspawnError && thrown.code === code)) throw thrown;
  };

/** Tries again while the database is away, as callers who are told `unavailable` may. */
async function insist<Result>(call: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await call();
    } catch (thrown) {
      if (!(thrown instanceof OpspawnError && thrown.code === 'unavailable')) throw thrown;
      await sleep(50);
    }
  }
}

async function inParallel<Item>(
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<void>,
): Promise<void> {
  const left = items.entries();
  const lane = async (): Promise<void> => {
    for (const [index, item] of left) await work(item, index);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
