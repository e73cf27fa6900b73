import { OpspawnError } from '@opspawn/agentkit';
import { inboxOf, type LiveChannel } from '../../broker/broker.ts';
import { deadlineExceeded } from '../../domain/deadline.ts';
import type { ClaimedTask } from '../../storage/store.ts';
import type { Attempt } from './attempt.ts';
import { SlotMap } from './slot-map.ts';

const everyMs = 100;
/** An inbox that was not read for so long is read again, whatever was or was not heard. */
const rereadMs = 5_000;
/** Of such inboxes in one pulse. */
const maxRereads = 50;

/**
 * A class: V8 allocates a literal whose objects live long enough among the old objects after a while, and an old object
 * that nothing needs any more keeps all that it refers to, here a whole run, until the next full collection. What a task
 * costs grew by a third, now and then.
 */
class Running {
  readonly attempt: Attempt;
  readonly timeoutMs: number;
  /** `performance.now()` */
  readonly deadlineAt: number;
  /** The same of the whole task; Infinity where it has none. */
  readonly taskDeadlineAt: number;
  /** When it began, until its inbox was read. */
  inboxReadAt: number;
  subscription: Disposable | undefined;

  constructor(attempt: Attempt, timeoutMs: number, now: number) {
    this.attempt = attempt;
    this.timeoutMs = timeoutMs;
    this.deadlineAt = now + timeoutMs;
    this.taskDeadlineAt = now + timeLeftMs(attempt.task);
    this.inboxReadAt = now;
  }
}

/**
 * What an attempt that lives longer than a moment needs now and then: its deadline, and word of what other processes
 * post to it. One timer for all of them, which rests when nothing runs; a short attempt costs nothing here.
 */
export class Pulse implements Disposable {
  readonly #live: LiveChannel;
  readonly #onError: (error: unknown) => void;
  readonly #running = new SlotMap<Running>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { live: LiveChannel; onError: (error: unknown) => void }) {
    this.#live = options.live;
    this.#onError = options.onError;
  }

  get size(): number {
    return this.#running.size;
  }

  /** `now`: of `performance.now()`. */
  add(attempt: Attempt, timeoutMs: number, now: number): void {
    this.#running.set(attempt.taskId, new Running(attempt, timeoutMs, now));
    this.#timer ??= setInterval(() => this.#beat(), everyMs).unref();
  }

  remove({ taskId }: Attempt): void {
    this.#running.get(taskId)?.subscription?.[Symbol.dispose]();
    this.#running.delete(taskId);
  }

  attempt(taskId: string): Attempt | undefined {
    return this.#running.get(taskId)?.attempt;
  }

  attempts(): Attempt[] {
    return this.#running.values().map(({ attempt }) => attempt);
  }

  /** Something was posted to these tasks. */
  posted(taskIds: Iterable<string>): void {
    for (const taskId of taskIds) {
      const running = this.#running.get(taskId);
      if (running !== undefined) this.#readInbox(running);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const attempt of this.attempts()) this.remove(attempt);
  }

  #beat(): void {
    if (this.#running.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    const now = performance.now();
    let rereads = 0;
    for (const running of this.#running.values()) {
      if (now >= running.taskDeadlineAt) running.attempt.stop('task_deadline', taskDeadlinePassed(running));
      else if (now >= running.deadlineAt) running.attempt.stop('deadline', deadlinePassed(running));
      const unreadMs = now - running.inboxReadAt;
      if (running.subscription === undefined) {
        if (unreadMs >= everyMs) this.#watch(running);
      } else if (unreadMs > rereadMs && rereads++ < maxRereads) this.#readInbox(running);
    }
  }

  /** What was posted before somebody watched was heard by nobody: hence the look. */
  #watch(running: Running): void {
    const { taskId } = running.attempt;
    running.subscription = this.#live.subscribe(inboxOf(taskId), () => this.#readInbox(running));
    this.#readInbox(running);
  }

  #readInbox(running: Running): void {
    running.inboxReadAt = performance.now();
    const { attempt } = running;
    attempt.reloadInbox().catch((error: unknown) => {
      // Of an attempt that is over, or told to stop, nobody wants to know.
      if (this.attempt(attempt.taskId) === attempt && attempt.stopCause === undefined) this.#onError(error);
    });
  }
}

/** Of the whole task, when it was claimed. */
export const timeLeftMs = ({ taskDeadlineAt = Number.POSITIVE_INFINITY, claimedAt }: ClaimedTask): number =>
  taskDeadlineAt - claimedAt;

const taskDeadlinePassed = ({ attempt: { task } }: Running): OpspawnError =>
  deadlineExceeded(task.taskDeadlineAt ?? 0, []);

const deadlinePassed = ({ attempt, timeoutMs }: Running): OpspawnError =>
  new OpspawnError('timeout', `Attempt ${attempt.attempt} took longer than ${timeoutMs} ms`, {
    details: { timeoutMs },
  });
