/**
 * One event loop for several simulated processes. Nothing here waits in real time: what is to happen stands in queues,
 * one for each process, and what is due next happens next. Who comes first of those that are due together, the seed
 * decides; within one process it goes as in Node. Between two events all promises are settled.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { IdSequence } from '../../packages/ops-core/src/domain/new-id.ts';
import { type Event, EventQueue } from './event-queue.ts';
import type { Random } from './random.ts';

/** What runs in one process of ours: it has a clock of its own, may be stopped for a while, and may die. */
export class SimulatedProcess {
  readonly name: string;
  readonly pid: number;
  readonly ids = new IdSequence();
  readonly events = new EventQueue();
  /** Of its wall clock, in ms. */
  clockOffsetMs = 0;
  /** Virtual ms: until then it does nothing, as after SIGSTOP. */
  stoppedUntil = 0;
  isAlive = true;

  constructor(name: string, pid: number) {
    this.name = name;
    this.pid = pid;
  }

  /** At once and without a word: nothing that it was about to do happens. */
  kill(): void {
    this.isAlive = false;
    this.events.clear();
  }
}

/** The wall clock at the beginning: 2026-01-01. */
const epochMs = 1_767_225_600_000;
const { setImmediate: realImmediate } = globalThis;

/**
 * Lets all promises settle: Node does so between two immediates. They are asked for many at once, because the way from
 * one round of its event loop to the next costs more than what happens here in it.
 */
class Turns {
  #ahead = 0;
  #next: (() => void) | undefined;

  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#next = resolve;
      if (this.#ahead > 0) return;
      this.#ahead = 100;
      for (let i = 0; i < 100; i += 1) realImmediate(this.#take);
    });
  }

  readonly #take = (): void => {
    this.#ahead -= 1;
    const next = this.#next;
    this.#next = undefined;
    next?.();
  };
}

export class VirtualTime {
  /** Virtual ms since the beginning. */
  now = 0;
  readonly random: Random;
  /** What belongs to no process of ours: the network, the database, the world. */
  readonly world = new SimulatedProcess('world', 0);
  readonly #current = new AsyncLocalStorage<SimulatedProcess>();
  #processes: SimulatedProcess[] = [this.world];
  readonly #turns = new Turns();
  #order = 0;
  #pids = 0;

  constructor(random: Random) {
    this.random = random;
  }

  /** In which the code that asks runs. */
  get current(): SimulatedProcess {
    return this.#current.getStore() ?? this.world;
  }

  /** Unix ms, as the current process sees it. */
  wallClock(): number {
    return this.trueWallClock() + this.current.clockOffsetMs;
  }

  /** Unix ms. */
  trueWallClock(): number {
    return epochMs + Math.floor(this.now);
  }

  spawn(name: string): SimulatedProcess {
    this.#pids += 1;
    const process = new SimulatedProcess(name, this.#pids);
    this.#processes = this.#processes.filter(({ isAlive }) => isAlive).concat(process);
    return process;
  }

  isAlive(pid: number): boolean {
    return this.#processes.some((process) => process.pid === pid && process.isAlive);
  }

  /** Has `run` happen in the process, unless it dies before. */
  schedule(process: SimulatedProcess, delayMs: number, run: () => void): Event {
    return this.#add(process, delayMs, () => this.#current.run(process, run));
  }

  /** Has `run` happen where it was asked for, and in the same asynchronous context. */
  later(delayMs: number, run: () => void): Event {
    const inContext = AsyncLocalStorage.snapshot();
    return this.#add(this.current, delayMs, () => inContext(run));
  }

  #add(process: SimulatedProcess, delayMs: number, run: () => void): Event {
    const event = { at: this.now + delayMs, order: this.#order++, run, isCancelled: false };
    if (process.isAlive) process.events.push(event);
    return event;
  }

  /** Lets the next thing happen. False when nothing will ever happen again. */
  async step(): Promise<boolean> {
    const next = this.#next();
    if (next === undefined) return false;
    this.now = Math.max(this.now, next.at);
    next.process.events.pop()?.run();
    await this.#turns.turn();
    return true;
  }

  #next(): { process: SimulatedProcess; at: number } | undefined {
    let earliest = Number.POSITIVE_INFINITY;
    let candidates: SimulatedProcess[] = [];
    for (const process of this.#processes) {
      const event = process.events.peek();
      if (event === undefined) continue;
      const at = Math.max(event.at, process.stoppedUntil, this.now);
      if (at < earliest) candidates = [];
      if (at <= earliest) candidates.push(process);
      earliest = Math.min(at, earliest);
    }
    const process = candidates[candidates.length === 1 ? 0 : this.random.below(candidates.length)];
    return process === undefined ? undefined : { process, at: earliest };
  }
}
