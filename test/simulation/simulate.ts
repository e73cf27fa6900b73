/**
 * One run of a whole deployment in this process, as its seed has it: servers and workers of ours over the real store,
 * clients, a person, and everything that goes wrong. Two runs of a seed are the same, line by line.
 */
import type { AgentEnvironment } from '../../packages/ops-core/src/agents/agent-run.ts';
import { Registry } from '../../packages/ops-core/src/tasks/definitions/registry.ts';
import { Clients, drawRequest } from './clients.ts';
import { type DatabasePool, SimulatedDatabase } from './database.ts';
import { drawFaults, type FaultMix } from './faults.ts';
import { finalCheck } from './final-check.ts';
import { Fleet, namespace } from './fleet.ts';
import { Judge } from './judge.ts';
import { Ledger } from './ledger.ts';
import { Mishaps } from './mishaps.ts';
import { Network } from './network.ts';
import { definePlay } from './programs.ts';
import { Random } from './random.ts';
import { Record } from './record.ts';
import { replaceGlobals } from './replace-globals.ts';
import { VirtualTime } from './virtual-time.ts';

export interface SimulationResult {
  readonly seed: number;
  /** What happened, a line each. */
  readonly trace: readonly string[];
  /** Which promises were broken. */
  readonly problems: readonly string[];
}

/** After the last fault everything must end within that time, in virtual ms. */
const patienceMs = 120_000;
const lookEveryMs = 1_500;
const maxEvents = 300_000;

/** Runs one seed. Runs of one pool go one after the other. */
export async function simulate(seed: number, pool: DatabasePool): Promise<SimulationResult> {
  const random = new Random(seed);
  const time = new VirtualTime(random);
  using _globals = replaceGlobals(time);
  using database = new SimulatedDatabase(pool, time);
  const simulation = new Simulation(time, database);
  const onRejection = (error: unknown): void => simulation.record.problem(`nobody caught ${String(error)}`);
  process.on('unhandledRejection', onRejection);
  try {
    await simulation.run();
  } finally {
    process.off('unhandledRejection', onRejection);
  }
  const { lines, problems } = simulation.record;
  return { seed, trace: lines, problems };
}

class Simulation {
  readonly record: Record;
  readonly #time: VirtualTime;
  readonly #database: SimulatedDatabase;
  readonly #faults: FaultMix;
  readonly #judge: Judge;
  readonly #clients: Clients;
  readonly #mishaps: Mishaps;
  #isDone = false;

  constructor(time: VirtualTime, database: SimulatedDatabase) {
    const { random } = time;
    this.#time = time;
    this.#database = database;
    this.#faults = drawFaults(random);
    this.record = new Record(time);
    const { record } = this;
    record.note(JSON.stringify(this.#faults));
    const judge = new Judge(database, record);
    this.#judge = judge;
    const network = new Network({
      time,
      faults: this.#faults,
      onDone: (call) => {
        judge.done(call);
        this.#mishaps.committed(call);
      },
      note: (line) => record.note(line),
    });
    const ledger = new Ledger({ database, record, owns: (task) => judge.owns(task) });
    const registry = new Registry({ functions: [definePlay(ledger)] }, noAgents);
    const fleet = new Fleet({
      time,
      database,
      network,
      record,
      worker: {
        registry,
        capacity: random.pick([1, 3, 10]),
        leaseTtlMs: 4_000,
        wrapSteps: (steps, task) => ledger.wrapSteps(steps, task),
      },
    });
    this.#clients = new Clients({ time, fleet, record });
    this.#mishaps = new Mishaps({ time, database, network, fleet, record, faults: this.#faults });
    void database.open().registerDefinitions(registry.rows(namespace));
    const both = random.between(0, 2);
    fleet.add('both', both);
    fleet.add('server', random.between(both === 0 ? 1 : 0, 2));
    fleet.add('worker', random.between(both === 0 ? 1 : 0, 2));
  }

  async run(): Promise<void> {
    const { random } = this.#time;
    for (let number = random.between(2, 6); number > 0; number -= 1) {
      const key = `request-${number}`;
      this.#clients.submit(key, drawRequest(random, key), random.below(this.#faults.untilMs / 2));
    }
    this.#mishaps.plan();
    this.#look();
    for (let events = 0; !this.#isDone && this.record.problems.length === 0; events += 1) {
      if (events > maxEvents) this.record.problem('it goes round in circles');
      else if (!(await this.#time.step())) this.record.problem('nothing will ever happen again');
    }
    if (this.record.problems.length === 0) {
      finalCheck({
        database: this.#database,
        record: this.record,
        judge: this.#judge,
        clients: this.#clients,
      });
    }
  }

  /** Now and then in virtual time. */
  #look(): void {
    const time = this.#time;
    const isCalm = time.now > this.#faults.untilMs;
    if (isCalm && this.#clients.areDone && this.#unfinished().length === 0) {
      this.#isDone = true;
      return;
    }
    if (time.now > this.#faults.untilMs + patienceMs)
      this.record.problem(`stuck: ${this.#unfinished().join(', ')}`);
    void this.#clients.lookAfter(isCalm);
    time.schedule(time.world, lookEveryMs, () => this.#look());
  }

  /** Each with its state. */
  #unfinished(): string[] {
    return this.#database
      .rows('select task_id, state from queue order by task_id')
      .map(([taskId, state]) => `${this.record.label(String(taskId))} in state ${String(state)}`);
  }
}

/** There is none among the definitions. */
const noAgents = {} as AgentEnvironment;
