/** What goes wrong beside calls and messages: processes die or stand still, the database is away, clocks are set. */
import type { Write } from '../../packages/ops-core/src/storage/store.ts';
import type { SimulatedDatabase } from './database.ts';
import type { FaultMix } from './faults.ts';
import type { Fleet, Place } from './fleet.ts';
import type { DoneCall, Network } from './network.ts';
import type { Record } from './record.ts';
import type { VirtualTime } from './virtual-time.ts';

interface MishapOptions {
  time: VirtualTime;
  database: SimulatedDatabase;
  network: Network;
  fleet: Fleet;
  record: Record;
  faults: FaultMix;
}

const hourMs = 3_600_000;

export class Mishaps {
  readonly #options: MishapOptions;

  constructor(options: MishapOptions) {
    this.#options = options;
  }

  /** All that this run has in store. */
  plan(): void {
    const { faults, time, fleet } = this.#options;
    const { random } = time;
    this.#times(faults.kills, () => this.#onSome((place) => fleet.kill(place, random.below(6_000))));
    this.#times(faults.terminations, () =>
      this.#onSome((place) => fleet.terminate(place, random.pick([0, 500, 3_000]))),
    );
    this.#times(faults.stops, () => this.#onSome((place) => this.#stop(place)));
    this.#times(faults.outages, () => this.#cutOff());
    this.#times(faults.clockJumps, () => this.#setClock());
    time.schedule(time.world, faults.untilMs, () => this.#end());
  }

  /** The worst moment: what is committed, its writer has yet to hear of. */
  committed({ process, method, args, begun }: DoneCall): void {
    const { time, faults, fleet } = this.#options;
    const write = args[0] as Write;
    const isOwned = method === 'write' && 'owner' in write;
    if ((!isOwned && begun === undefined) || time.now > faults.untilMs) return;
    const isIntent = isOwned && write.entries.some(({ type }) => type === 'step.intended');
    if (!time.random.chance(faults.strikesAtCommit * (isIntent || begun !== undefined ? 4 : 1))) return;
    const place = fleet.places.find((each) => each.process === process);
    if (place === undefined) return;
    if (time.random.chance(0.5)) fleet.kill(place, time.random.below(6_000));
    else this.#stop(place);
  }

  #times(count: number, run: () => void): void {
    const { time, faults } = this.#options;
    for (let i = 0; i < count; i += 1) time.schedule(time.world, time.random.below(faults.untilMs), run);
  }

  #onSome(run: (place: Place) => void): void {
    const running = this.#options.fleet.places.filter((place) => place.process !== undefined);
    const place = running[this.#options.time.random.below(running.length)];
    if (place !== undefined) run(place);
  }

  /** For less than a lease, or for more. */
  #stop({ process }: Place): void {
    const { time, record } = this.#options;
    if (process === undefined) return;
    const ms = time.random.pick([300, 3_000, 7_000, 15_000]);
    record.note(`${process.name} stands still for ${ms}`);
    process.stoppedUntil = time.now + ms;
  }

  #cutOff(): void {
    const { time, network, record } = this.#options;
    const ms = time.random.pick([200, 2_000, 8_000]);
    record.note(`the database is away for ${ms}`);
    network.outageUntil = time.now + ms;
  }

  #setClock(): void {
    const { time, database, record } = this.#options;
    const offsetMs = time.random.pick([-hourMs, 0, hourMs]);
    if (time.random.chance(0.4)) {
      record.note(`the clock of the database is ${offsetMs} off`);
      database.clockOffsetMs = offsetMs;
      return;
    }
    this.#onSome(({ process }) => {
      if (process === undefined) return;
      record.note(`the clock of ${process.name} is ${offsetMs} off`);
      process.clockOffsetMs = offsetMs;
    });
  }

  #end(): void {
    const { network, fleet, record } = this.#options;
    record.note('no fault from now on');
    network.outageUntil = 0;
    for (const { process } of fleet.places) if (process !== undefined) process.stoppedUntil = 0;
  }
}
