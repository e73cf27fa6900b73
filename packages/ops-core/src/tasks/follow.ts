import { OpspawnError } from '@opspawn/agentkit';
import { isFinished, type TaskStatus } from '@opspawn/sdk';
import type { LiveChannel, LiveMessage } from '../broker/broker.ts';
import type { Store } from '../storage/store.ts';
import type { Followed } from './engine-interface.ts';
import { viewEntry, viewTask } from './task-view.ts';

interface FollowOptions {
  store: Store;
  live: LiveChannel;
  namespace: string;
  taskId: string;
  after: number;
  signal: AbortSignal;
}

const page = 500;
/** The net under lost messages. */
const lookEveryMs = 1_000;
/** A reader that is slower loses live events, never entries. */
const maxBufferedEvents = 1_000;

/** See `Engine.follow`. */
export async function* followTask(options: FollowOptions): AsyncGenerator<Followed, void, undefined> {
  const { store, namespace, taskId, signal } = options;
  using news = new News(options);
  let after = options.after;
  let status: TaskStatus | undefined;
  while (!signal.aborted) {
    // The task first: what is read after a terminal status is the whole journal.
    const row = await store.task(namespace, taskId);
    if (row === undefined)
      throw new OpspawnError('not_found', `Task ${taskId} does not exist`, { details: { taskId } });
    for (;;) {
      const entries = await store.journal(taskId, after, page);
      for (const entry of entries) {
        after = entry.seq;
        yield { type: 'entry', entry: viewEntry(entry) };
      }
      if (entries.length < page || signal.aborted) break;
    }
    if (row.status !== status) {
      status = row.status;
      yield { type: 'status', task: viewTask(row) };
    }
    if (isFinished(status) && after >= row.lastSeq) return;
    for await (const event of news.untilChange()) yield { type: 'live', event };
  }
}

/** What the live channel says of one task, between two looks at the store. */
class News implements Disposable {
  readonly #signal: AbortSignal;
  readonly #subscription: Disposable;
  #events: unknown[] = [];
  #isChanged = false;
  #wake: (() => void) | undefined;
  readonly #onAbort = (): void => this.#wake?.();

  constructor({ live, taskId, signal }: FollowOptions) {
    this.#signal = signal;
    this.#subscription = live.subscribe(taskId, (message) => this.#add(message));
    signal.addEventListener('abort', this.#onAbort);
  }

  /** Live events, until something changed, the time for a look has come, or the signal fired. */
  async *untilChange(): AsyncGenerator<unknown, void, undefined> {
    const lookAt = performance.now() + lookEveryMs;
    while (!this.#signal.aborted) {
      const events = this.#events;
      this.#events = [];
      yield* events;
      if (this.#isChanged || performance.now() >= lookAt) break;
      if (this.#events.length === 0) await this.#next(Math.max(0, lookAt - performance.now()));
    }
    this.#isChanged = false;
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #add(message: LiveMessage): void {
    if (message.type === 'changed') this.#isChanged = true;
    if (message.type === 'event' && this.#events.length < maxBufferedEvents) this.#events.push(message.event);
    this.#wake?.();
  }

  async #next(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#isChanged || this.#events.length > 0 || this.#signal.aborted) this.#wake();
    });
    this.#wake = undefined;
  }
}
