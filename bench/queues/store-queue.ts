import { newId } from '../../packages/ops-core/src/domain/new-id.ts';
import type { ClaimedTask, Store } from '../../packages/ops-core/src/storage/store.ts';
import type { Queue } from './queue.ts';

/** Opspawn's store, driven by the smallest worker: claim, run, write the terminal entry. */
export async function openStoreQueue(store: Store): Promise<Queue> {
  const workerId = newId();
  const worker = { id: workerId, host: 'bench', pid: process.pid, processStart: '', queues: ['default'] };
  await store.registerWorker(worker, 3_600_000);
  return new StoreQueue(store, workerId);
}

const capacity = 1000;
const claimLimit = 200;
/** Fewer free places than this are not worth a claim. */
const claimMinimum = 50;

class StoreQueue implements Queue {
  readonly #store: Store;
  readonly #workerId: string;
  #onReady: (() => void) | undefined;
  #onFree: (() => void) | undefined;
  #running = 0;

  constructor(store: Store, workerId: string) {
    this.#store = store;
    this.#workerId = workerId;
    store.listen({ ready: () => this.#onReady?.(), changed: () => {}, posted: () => {} });
  }

  submit(payload: string): Promise<unknown> {
    return this.#store.write({
      op: 'submit',
      task: {
        id: newId(),
        namespace: 'default',
        kind: 'function',
        name: 'noop',
        queue: 'default',
        priority: 5,
        input: payload,
      },
    });
  }

  work(onDone: (count: number) => void): AsyncDisposable {
    const stopping = new AbortController();
    const working = this.#claimLoop(stopping.signal, onDone);
    return {
      [Symbol.asyncDispose]: async () => {
        stopping.abort();
        this.#onReady?.();
        this.#onFree?.();
        await working;
      },
    };
  }

  async #claimLoop(signal: AbortSignal, onDone: (count: number) => void): Promise<void> {
    while (!signal.aborted) {
      const limit = Math.min(claimLimit, capacity - this.#running);
      if (limit < claimMinimum) {
        await new Promise<void>((resolve) => {
          this.#onFree = resolve;
        });
        continue;
      }
      const ready = new Promise<void>((resolve) => {
        this.#onReady = resolve;
      });
      const claimed = await this.#store.claim({
        workerId: this.#workerId,
        queues: ['default'],
        limit,
        attemptTimeoutMs: 3_600_000,
      });
      this.#running += claimed.length;
      for (const task of claimed) void this.#runTask(task, onDone);
      if (claimed.length === 0 && !signal.aborted) await ready;
    }
  }

  async #runTask(task: ClaimedTask, onDone: (count: number) => void): Promise<void> {
    JSON.parse(task.input ?? 'null');
    const entry = { seq: task.lastSeq + 1, type: 'task.completed', data: '{"output":null}' } as const;
    const result = await this.#store.write({
      op: 'finish',
      owner: task,
      status: 'completed',
      entries: [entry],
    });
    if (!result.ok) throw new Error(`Task ${task.taskId} was lost`);
    this.#running -= 1;
    this.#onFree?.();
    onDone(1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }
}
