import { mock } from 'node:test';
import type { Steps } from '@opspawn/agentkit';
import { createContext } from '../context.ts';
import { doubtResolvedSchema, parseData } from '../entry-data.ts';
import { identityHash } from '../identity.ts';
import { outcomeEntries } from '../outcome.ts';
import type { DurableOptions, DurableOutcome, Journal, TaskPort } from '../port.ts';
import { runDurable } from '../run-durable.ts';
import type { Executed, Scene } from './program.ts';
import { turns } from './random.ts';
import { identityOf, type SimulatedFaults, type SimulatedPort, SimulatedTask } from './simulated-task.ts';

export interface SimulationOptions extends SimulatedFaults {
  seed: number;
  /** Waits due within this stay in memory. */
  lingerMs?: number;
  /** Asks for the cancel, or a pause, when the world goes on for the so-manieth time. */
  cancelAt?: number;
  pauseAt?: number;
  /** How often an operator tries the failed task again. */
  retries?: number;
  /** Default `replay`. */
  mode?: DurableOptions['mode'];
  /** Whether every attempt sees the same in the same order. Default true; I/O outside steps makes it false. */
  isTraced?: boolean;
}

export type SimulatedBody = (scene: Scene, steps: Steps) => unknown;

const maxAttempts = 400;
const maxRounds = 400;
const maxTurns = 20_000;
/** Turns of the event loop without a sign of life: whatever runs takes fewer. */
const idleTurns = 14;

/**
 * Runs a program to its end through crashes, suspensions and whatever the world does, under virtual time, and then
 * once more from its journal alone. What broke a promise is in `problems`.
 */
export class Simulation {
  readonly task: SimulatedTask;
  readonly problems: string[];
  attempts = 0;
  suspensions = 0;
  outcome: DurableOutcome | undefined;
  readonly #body: SimulatedBody;
  readonly #options: SimulationOptions;
  readonly #executions = new Map<string, number>();
  #trace: string[] = [];
  #lastTrace: readonly string[] | undefined;
  #rounds = 0;
  #retriesLeft: number;
  #tickedTo: number;

  /** Needs `mock.timers` for `setTimeout`. */
  constructor(body: SimulatedBody, options: SimulationOptions) {
    this.task = new SimulatedTask(options.seed, options);
    this.problems = this.task.problems;
    this.#body = body;
    this.#options = options;
    this.#retriesLeft = options.retries ?? 0;
    this.#tickedTo = this.task.clock;
  }

  async run(): Promise<void> {
    while (this.attempts < maxAttempts && this.problems.length === 0) {
      this.attempts += 1;
      const port = this.task.claim();
      const outcome = await this.#attempt(port);
      if (outcome === undefined) return;
      this.#compareTrace(outcome);
      if (await this.#isOver(outcome, port)) return;
    }
    if (this.problems.length === 0) this.problems.push('no end');
  }

  async #attempt(port: SimulatedPort): Promise<DurableOutcome | undefined> {
    let outcome: DurableOutcome | undefined;
    this.#start(port, port.journal).then(
      (ended) => {
        outcome = ended;
      },
      (error: unknown) =>
        this.problems.push(`the runtime broke: ${error instanceof Error ? error.stack : error}`),
    );
    let seen = -1;
    let idle = 0;
    for (let turn = 0; outcome === undefined && this.problems.length === 0; turn += 1) {
      if (turn === maxTurns) this.problems.push('busy for ever');
      await turns(1);
      this.#tick();
      idle = seen === this.task.activity ? idle + 1 : 0;
      seen = this.task.activity;
      if (idle > idleTurns) this.#goOn();
      if (idle > idleTurns) idle = 0;
    }
    return outcome;
  }

  #start(port: TaskPort, journal: Journal): Promise<DurableOutcome> {
    const trace: string[] = [];
    this.#trace = trace;
    const options: DurableOptions = {
      mode: this.#options.mode ?? 'replay',
      lingerMs: this.#options.lingerMs ?? 0,
      defaultRetry: { initialDelayMs: 10 },
    };
    const { random } = this.task;
    const executed: Scene['executed'] = (idempotencyKey, step) => this.#executed(idempotencyKey, step);
    const body = (steps: Steps) => this.#body({ ctx: createContext(steps), random, executed, trace }, steps);
    return runDurable(port, journal, body, options);
  }

  /** What is recorded does not run again, and an effect that must not be repeated needs a word for each more run. */
  #executed(idempotencyKey: string, { once, tryNumber, followsFrom }: Executed): void {
    this.task.activity += 1;
    if (followsFrom !== undefined && this.task.resultOf({ name: followsFrom }) === undefined)
      this.problems.push(`acted upon ${followsFrom} before it was recorded`);
    const hash = idempotencyKey.slice(idempotencyKey.indexOf(':') + 1);
    const entries = this.task.journal.filter((row) => identityHash(identityOf(row)) === hash);
    if (entries.some((row) => this.task.resultOf(row) !== undefined)) {
      this.problems.push(`ran after it was recorded: ${JSON.stringify(entries[0])}`);
    }
    if (!once || tryNumber > 1) return;
    const runs = (this.#executions.get(hash) ?? 0) + 1;
    this.#executions.set(hash, runs);
    const allowances = entries.filter(
      ({ type, data }) =>
        type === 'step.reopened' ||
        (type === 'doubt.resolved' && parseData(doubtResolvedSchema, data).action === 'retry'),
    );
    if (runs > 1 + allowances.length)
      this.problems.push(`second effect without a word: ${JSON.stringify(entries[0])}`);
  }

  async #isOver(outcome: DurableOutcome, port: SimulatedPort): Promise<boolean> {
    switch (outcome.kind) {
      case 'suspended':
        this.suspensions += 1;
        this.#goOn();
        return false;
      case 'lost':
      case 'stopped':
        return false;
      case 'paused':
        if (outcome.reason !== 'operator') this.problems.push(`paused: ${JSON.stringify(outcome.details)}`);
        if (this.#write(outcome, port)) this.task.post('resume', '');
        return false;
      default:
        break;
    }
    const crashes = this.attempts < 30 && this.task.random.below(4) === 0;
    if (crashes || port.attempt !== this.task.attempt) return false;
    if (outcome.kind === 'failed' && this.#retriesLeft > 0) {
      this.#retriesLeft -= 1;
      if (this.#write(outcome, port)) this.task.post('reopen', '');
      this.#lastTrace = undefined;
      return false;
    }
    this.outcome = outcome;
    if (outcome.kind === 'completed') this.task.commit(port.attempt, outcome.rest);
    // Cancelled before anything was recorded there is nothing to replay, and whether a cancel or the function's own
    // I/O is first is nobody's to say.
    const isRecorded = this.task.journal.length > 0 && this.#options.isTraced !== false;
    if (outcome.kind !== 'cancelled' || isRecorded) await this.#replay(outcome);
    return true;
  }

  #write(outcome: Extract<DurableOutcome, { nextSeq: number }>, port: SimulatedPort): boolean {
    if (port.attempt !== this.task.attempt) return false;
    const takes = 'takes' in outcome ? outcome.takes : [];
    this.task.commit(port.attempt, outcomeEntries(outcome), { takes });
    return true;
  }

  /** The finished journal alone gives the same again, and nothing is run, written or taken. */
  async #replay(live: DurableOutcome): Promise<void> {
    const { journal, activity } = this.task;
    const liveTrace = this.#lastTrace;
    const rows = journal.length;
    const port = Object.assign(this.task.claim(), { inbox: () => [] });
    let replayed: DurableOutcome | undefined;
    this.#start(port, port.journal).then(
      (outcome) => {
        replayed = outcome;
      },
      (error: unknown) => this.problems.push(`the replay broke: ${error}`),
    );
    for (let turn = 0; replayed === undefined && turn < maxTurns; turn += 1) await turns(1);
    if (replayed === undefined) this.problems.push('the replay does not end');
    if (replayed === undefined) return;
    await turns(2);
    if (this.task.activity !== activity) this.problems.push('the replay ran or wrote something');
    if (journal.length !== rows) this.problems.push('the replay wrote something');
    if (shown(replayed) !== shown(live))
      this.problems.push(`replay gives ${shown(replayed)}, live gave ${shown(live)}`);
    if (this.#options.isTraced === false) return;
    if (JSON.stringify(this.#trace) !== JSON.stringify(liveTrace)) {
      this.problems.push(`replay saw ${JSON.stringify(this.#trace)}, live saw ${JSON.stringify(liveTrace)}`);
    }
    this.#checkSignals();
  }

  /** A signal that was taken was seen. */
  #checkSignals(): void {
    for (const { kind, data } of this.task.taken()) {
      if (kind === 'signal' && !this.#trace.some((seen) => seen.includes(data ?? ''))) {
        this.problems.push(`signal taken and lost: ${data}`);
      }
    }
  }

  /** What the function sees is what it saw in the attempt before, as far as it came then. */
  #compareTrace({ kind }: DurableOutcome): void {
    if (this.#options.isTraced === false) return;
    const before = this.#lastTrace ?? [];
    const isCutShort =
      kind === 'lost' || kind === 'stopped' || kind === 'paused' || this.task.journal.length === 0;
    const end = isCutShort ? Math.min(before.length, this.#trace.length) : before.length;
    for (let i = 0; i < end; i += 1) {
      if (before[i] !== this.#trace[i]) {
        this.problems.push(
          `attempt ${this.attempts} (${kind}) saw ${this.#trace[i]}, the one before ${before[i]}`,
        );
        return;
      }
    }
    if (this.#trace.length >= before.length) this.#lastTrace = this.#trace.slice();
  }

  /** The world goes on: time passes, or what is waited for comes. */
  #goOn(): void {
    this.#rounds += 1;
    if (this.#rounds === maxRounds) this.problems.push('stuck');
    if (this.#rounds === this.#options.cancelAt) this.task.post('cancel', '', { reason: 'enough' });
    if (this.#rounds === this.#options.pauseAt) this.task.post('pause', '');
    const { random } = this.task;
    if (random.below(2) === 0) this.task.clock += random.pick([3, 10, 40, 200]);
    else this.#answerAll();
    this.#tick();
  }

  #answerAll(): void {
    const inbox = this.task.inbox();
    for (const { kind, key } of this.task.openWaits()) {
      if (inbox.some((row) => row.key === key)) continue;
      const number = this.#rounds;
      if (kind === 'signal') this.task.post('signal', key, `signal ${number}`);
      else if (kind === 'approval')
        this.task.post('decision', key, { approved: number % 2 === 0, by: 'ann' });
      else if (kind === 'child') this.task.post('child', key, this.#childEnd());
      else this.task.post('decision', key, this.#resolution());
    }
  }

  #childEnd() {
    return this.task.random.below(4) === 0
      ? { status: 'failed', error: { name: 'Error', code: 'tool_failed', message: 'the child failed' } }
      : { status: 'completed', output: `child ${this.#rounds}` };
  }

  #resolution() {
    const word = this.task.random.pick(['retry', 'result', 'fail'] as const);
    return word === 'result' ? { action: word, result: 7, by: 'ann' } : { action: word, by: 'ann' };
  }

  /** Timers follow the clock. */
  #tick(): void {
    const ms = this.task.clock - this.#tickedTo;
    this.#tickedTo = this.task.clock;
    if (ms > 0) mock.timers.tick(ms);
  }
}

function shown(outcome: DurableOutcome): string {
  switch (outcome.kind) {
    case 'completed':
      return `completed ${outcome.value}`;
    case 'failed':
      return `failed ${outcome.error.message}`;
    case 'cancelled':
      return `cancelled ${outcome.reason}`;
    default:
      return JSON.stringify(outcome);
  }
}
