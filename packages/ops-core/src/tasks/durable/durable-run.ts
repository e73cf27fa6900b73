import { CancelledError, type Json, type LogLevel, type StepRecord } from '@opspawn/agentkit';
import type { EntryRow, InboxRow } from '../../storage/store.ts';
import { ambient } from './ambient.ts';
import { Bell } from './bell.ts';
import { Branch } from './branch.ts';
import { type Ending, refusedWrite } from './ending.ts';
import { cancelRequestedSchema, parseData, toRecordedError } from './entry-data.ts';
import { HandoutQueue } from './handout-queue.ts';
import { identityLabel } from './identity.ts';
import { InboxView } from './inbox-view.ts';
import { type EntryOwner, JournalWriter, type WriterEvents } from './journal-writer.ts';
import { LateEvidence } from './late-evidence.ts';
import { OpenWaits } from './open-waits.ts';
import type { DurableOptions, TaskPort } from './port.ts';
import {
  type Handout,
  markAskedAgain,
  openingOf,
  type RecordedCall,
  type Recording,
  readJournal,
  resultOf,
} from './recording.ts';
import { nameOf, Request, type Work } from './request.ts';
import { errorOfFailure, nestedStep } from './run-errors.ts';
import { stepRecord } from './step-record.ts';
import { changedCall } from './verdicts.ts';

/** How the function itself ended. */
export type Settled = { ok: true; value: unknown } | { ok: false; thrown: unknown };

/**
 * The state of one attempt: what was asked for, what runs, what waits, what is to be handed out. The pump drives it;
 * the functions beside it move it on. Once `isOver`, calls never settle and nothing is written.
 */
export class DurableRun implements WriterEvents {
  readonly port: TaskPort;
  readonly options: DurableOptions;
  readonly root = new Branch('');
  readonly bell = new Bell();
  readonly inbox: InboxView;
  readonly writer: JournalWriter;
  readonly waits = new OpenWaits();
  readonly evidence: LateEvidence;
  readonly queue = new HandoutQueue();
  /** Calls that nothing is recorded about and that have not started. */
  fresh: Request[] = [];
  /** Steps in flight: their intent is being committed, or their code runs. */
  readonly running = new Set<Request>();
  /** Ids of the open children of branches that lost. */
  readonly withdrawn = new Map<Request, string>();
  /** What is left to match while this is a replay. */
  recording: Recording | undefined;
  /** All that is recorded has been handed out. */
  isLive: boolean;
  isOver = false;
  settled: Settled | undefined;
  ending: Ending | undefined;
  /** Set when the request to cancel is handed out. */
  cancelReason: string | undefined;
  isCancelPending = false;
  /** Unix ms: when the last result handed out was recorded. */
  time: number;
  /** I/O outside steps was told of in this attempt. */
  hasBlamed = false;
  lastHandout: Handout | undefined;
  lastAsked: Request | undefined;
  /** Log lines that a replay comes to again, by branch. */
  #loggedBefore: ReadonlyMap<string, number> | undefined;
  readonly #open = new Map<string, Request>();
  readonly #history: Handout[] = [];
  /** Of errors that were handed out: seq of the entry. */
  #failures: WeakMap<object, number> | undefined;
  /** Whether the code that runs now was set off by what was handed out, and not by I/O of its own. */
  #isInTurn = true;
  #controller: AbortController | undefined;

  constructor(port: TaskPort, journal: readonly EntryRow[], options: DurableOptions) {
    this.port = port;
    this.options = options;
    this.time = port.createdAt;
    this.inbox = new InboxView(port);
    this.evidence = new LateEvidence(port);
    this.writer = new JournalWriter(port, journal.at(-1)?.seq ?? port.lastSeq, this);
    this.isLive = journal.length === 0 || options.mode === 'history';
    if (journal.length > 0) this.#read(readJournal(journal));
  }

  get taskId(): string {
    return this.port.taskId;
  }

  /** Costs something, so it is made when it is first asked for. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      const stopped = this.#stopError();
      if (stopped !== undefined) this.#controller.abort(stopped);
      else if (this.cancelReason !== undefined) this.#controller.abort(new CancelledError(this.cancelReason));
    }
    return this.#controller.signal;
  }

  /** What is recorded so far, for a function that folds it. */
  get history(): StepRecord[] {
    return this.#history.map(stepRecord);
  }

  /**
   * Whether results may be handed out before they are committed: only to a function that folds its history, and so
   * takes another answer as well after a crash as the one that was lost. Who watches sees things in the order in which
   * they are recorded.
   */
  get mayRunAhead(): boolean {
    const isCancelling = this.isCancelPending || this.cancelReason !== undefined;
    return (
      this.options.mode === 'history' && !isCancelling && this.writer.mayRunAhead && !this.port.isWatched()
    );
  }

  /** The one way in for whatever a function asks for. */
  ask(work: Work): Promise<unknown> {
    const scope = ambient.getStore();
    const isOurs = scope?.run === this;
    const branch = isOurs ? scope.branch : this.root;
    if (this.isOver || branch.isClosed) return new Promise(() => {});
    if (isOurs && scope.step !== undefined) {
      return Promise.reject(nestedStep(identityLabel(scope.step.identity), nameOf(work)));
    }
    return new Promise((resolve, reject) => {
      this.#accept(new Request(branch, work, this.queue.handedOut, { resolve, reject }));
    });
  }

  /** A recorded log line of a step, or else of a branch. A replay does not write it again. */
  log(
    branch: Branch,
    step: EntryOwner | undefined,
    level: LogLevel,
    message: string,
    fields?: Record<string, Json>,
  ): void {
    if (this.isOver || branch.isClosed) return;
    if (step === undefined) {
      branch.logLines += 1;
      if (branch.logLines <= (this.#loggedBefore?.get(branch.path) ?? 0)) return;
    }
    this.writer.addLog(step === undefined ? { branch: branch.path } : { step }, level, message, fields);
    this.bell.ring();
  }

  /** A live event. What a replay tells again was told before. */
  emit(event: unknown): void {
    if (!this.isOver && this.isLive) this.port.emit(event);
  }

  /** Closes branches that lost: their steps are aborted and recorded, their waits withdrawn. */
  closeBranches(branches: readonly Branch[]): void {
    for (const branch of branches) branch.close();
    if (this.isOver) return;
    for (const request of this.#open.values()) {
      if (!request.branch.isClosed) continue;
      const wait = this.#discard(request, new CancelledError('another branch was decisive'));
      const childTaskId = wait?.childTaskId ?? (this.isLive ? undefined : openChildOf(request.recorded));
      if (childTaskId !== undefined) this.withdrawn.set(request, childTaskId);
    }
    this.bell.ring();
  }

  /** Hands out the next result, or the request to cancel. Whether there was one. */
  handOutNext(): boolean {
    const handout = this.queue.handOut();
    if (handout === undefined) return false;
    this.time = Math.max(this.time, handout.at);
    this.lastHandout = handout;
    this.#isInTurn = true;
    if (handout.key === undefined) this.#cancelAll(handout);
    else this.#answer(handout.key, handout);
    return true;
  }

  /** Lets everything run that was set off by what was handed out. One macrotask: less is not enough. */
  async drain(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#isInTurn = false;
  }

  /** Until something happens, at most `timeoutMs` when given. Whether it did. */
  async idle(timeoutMs?: number): Promise<boolean> {
    return this.ending !== undefined || (await this.bell.wait(timeoutMs));
  }

  committed(): void {
    this.bell.ring();
  }

  failed(error: unknown): void {
    this.end(refusedWrite(error));
  }

  /** Puts a committed result in line. */
  enqueue(handout: Handout): void {
    this.queue.push(handout);
    this.bell.ring();
  }

  /** Of the recording only intents matter from now on: their steps may be asked for yet. */
  goLive(): void {
    this.isLive = true;
    for (const { intent, isAskedAgain } of this.recording?.calls.values() ?? []) {
      if (intent !== undefined && !isAskedAgain) return;
    }
    this.recording = undefined;
  }

  settle(settled: Settled): void {
    this.settled = settled;
    const isAfterCancel = this.cancelReason !== undefined;
    if (isAfterCancel && !settled.ok && !(settled.thrown instanceof CancelledError)) {
      this.log(this.root, undefined, 'error', `Failed after the cancel: ${String(settled.thrown)}`);
    }
    this.bell.ring();
  }

  abortRunning(reason: unknown): void {
    for (const request of this.running) request.execution?.abort(reason);
  }

  /** Seq of the recorded failure that an error of this run stands for. */
  failureOf(thrown: unknown): number | undefined {
    return typeof thrown === 'object' && thrown !== null ? this.#failures?.get(thrown) : undefined;
  }

  /** The request to pause, when it counts: once the cancel is under way the task is to end. */
  pauseRequest(): InboxRow | undefined {
    const isCancelling = this.isCancelPending || this.cancelReason !== undefined;
    return isCancelling ? undefined : this.inbox.pauseRequest();
  }

  /** Ends the attempt at once. The first word counts. */
  end(ending: Ending): void {
    this.ending ??= ending;
    this.isOver = true;
    this.bell.ring();
  }

  /** Lets go of everything that points at the function, so that a dropped one can be collected. */
  dispose(): void {
    this.isOver = true;
    this.writer.close();
    this.evidence.release();
    const stopped = this.#stopError();
    // An error costs more than all the rest here: it is made only for steps that still run.
    if (this.running.size > 0) this.abortRunning(stopped ?? new CancelledError('the attempt is over'));
    if (stopped !== undefined) this.#controller?.abort(stopped);
    this.#open.clear();
    this.waits.clear();
    this.running.clear();
    this.withdrawn.clear();
    this.queue.clear();
    this.fresh = [];
    this.#history.length = 0;
    this.recording = undefined;
  }

  /** Why the attempt was stopped from outside, if it was. */
  #stopError(): Error | undefined {
    return this.ending?.kind === 'lost' || this.ending?.kind === 'stopped' ? this.ending.error : undefined;
  }

  #read(recording: Recording): void {
    this.recording = recording;
    if (this.options.mode === 'replay') {
      this.#loggedBefore = recording.logLines;
      this.queue.fill(recording.handouts);
      return;
    }
    this.queue.skip(recording.handouts.length);
    for (const handout of recording.handouts) {
      this.time = Math.max(this.time, handout.at);
      if (handout.key !== undefined) this.#history.push(handout);
      else this.cancelReason = parseData(cancelRequestedSchema, handout.entry.data).reason;
    }
  }

  #accept(request: Request): void {
    const recorded = this.recording?.calls.get(request.key);
    request.recorded = recorded;
    const isAnswered = this.options.mode === 'history' && recorded?.result !== undefined;
    if (this.options.mode === 'replay') this.#match(request, recorded);
    else if (recorded?.result !== undefined) this.#reply(request, recorded.result);
    if (this.isOver || isAnswered) return;
    this.lastAsked = request;
    this.#open.set(request.key, request);
    if (recorded?.result === undefined) this.fresh.push(request);
    this.bell.ring();
  }

  /** Compares what a replayed function asks for with what the journal says that it asked for. */
  #match(request: Request, recorded: RecordedCall | undefined): void {
    if (recorded !== undefined && this.recording !== undefined) {
      const changed = changedCall(recorded, request);
      if (changed !== undefined) this.end(changed);
      else markAskedAgain(this.recording, recorded);
    }
    if (!this.#isInTurn && this.isLive) request.isOutOfTurn = true;
  }

  #answer(key: string, handout: Handout): void {
    if (this.options.mode === 'history') this.#history.push(handout);
    const request = this.#open.get(key);
    if (request === undefined) return;
    this.#open.delete(key);
    this.#reply(request, handout);
  }

  #reply(request: Request, handout: Handout): void {
    const result = resultOf(handout);
    if (result.ok) {
      request.settle.resolve(result.value);
      return;
    }
    const label = identityLabel(request.identity);
    const error = errorOfFailure(request.kind, label, toRecordedError(result.error), handout.thrown);
    this.#failures ??= new WeakMap();
    this.#failures.set(error, handout.entry.seq);
    request.settle.reject(error);
  }

  /** Open calls reject, signals fire; what the function asks for from now on runs as ever. */
  #cancelAll({ entry }: Handout): void {
    this.isCancelPending = false;
    this.cancelReason = parseData(cancelRequestedSchema, entry.data).reason;
    const error = new CancelledError(this.cancelReason);
    this.#controller?.abort(error);
    for (const request of this.#open.values()) {
      if (this.#isRecordedLater(request)) continue;
      this.#discard(request, error);
      request.settle.reject(error);
    }
  }

  /** Asked for too early by I/O that is faster this time: the journal says that it came after the cancel. */
  #isRecordedLater({ recorded }: Request): boolean {
    return recorded?.asked !== undefined && recorded.asked >= this.queue.handedOut;
  }

  #discard(request: Request, reason: unknown) {
    request.isDiscarded = true;
    this.#open.delete(request.key);
    request.execution?.abort(reason);
    return this.waits.remove(request);
  }
}

/** The child that the journal says is still open. */
const openChildOf = (recorded: RecordedCall | undefined): string | undefined =>
  recorded?.opening === undefined || recorded.result !== undefined
    ? undefined
    : openingOf(recorded.opening).childTaskId;
