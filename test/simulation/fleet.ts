/** The processes of a deployment: servers that answer, and workers that run tasks. Whoever dies is started again. */
import { createLog } from '../../packages/ops-core/src/observe/log.ts';
import { tellCommits } from '../../packages/ops-core/src/start/node.ts';
import { createEngine } from '../../packages/ops-core/src/tasks/engine.ts';
import type { Engine } from '../../packages/ops-core/src/tasks/engine-interface.ts';
import {
  createWorker,
  type Worker,
  type WorkerOptions,
} from '../../packages/ops-core/src/tasks/worker/worker.ts';
import { processStart, type SimulatedDatabase } from './database.ts';
import type { Network } from './network.ts';
import type { Record } from './record.ts';
import type { SimulatedProcess, VirtualTime } from './virtual-time.ts';

interface FleetOptions {
  time: VirtualTime;
  database: SimulatedDatabase;
  network: Network;
  record: Record;
  worker: Pick<WorkerOptions, 'registry' | 'capacity' | 'leaseTtlMs' | 'wrapSteps'>;
}

interface Server {
  readonly process: SimulatedProcess;
  readonly engine: Engine;
}

/** A place for a process, which another one takes when it dies. */
export interface Place {
  readonly name: string;
  /** `both`: a server and a worker in one process. */
  readonly kind: 'server' | 'worker' | 'both';
  starts: number;
  process: SimulatedProcess | undefined;
  worker: Worker | undefined;
}

export const namespace = 'default';
const restartMs = 1_000;
const log = createLog({ level: 'silent' });

export class Fleet {
  readonly places: Place[] = [];
  readonly #options: FleetOptions;
  readonly #servers = new Map<Place, Server>();

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  add(kind: Place['kind'], count: number): void {
    for (let number = 1; number <= count; number += 1) {
      const place = { name: `${kind}-${number}`, kind, starts: 0, process: undefined, worker: undefined };
      this.places.push(place);
      this.#start(place);
    }
  }

  /** Those that answer now, as far as their clients know. */
  servers(): Server[] {
    return [...this.#servers.values()];
  }

  kill(place: Place, restartAfterMs: number): void {
    const { time, record } = this.#options;
    if (place.process === undefined) return;
    record.note(`${place.process.name} dies`);
    place.process.kill();
    place.process = undefined;
    place.worker = undefined;
    this.#servers.delete(place);
    time.schedule(time.world, restartAfterMs, () => this.#start(place));
  }

  /** As after SIGTERM. */
  terminate(place: Place, graceMs: number): void {
    const { time, record } = this.#options;
    const { process, worker } = place;
    if (process === undefined || worker === undefined) {
      this.kill(place, restartMs);
      return;
    }
    record.note(`${process.name} is told to end within ${graceMs}`);
    const end = (): void => {
      if (place.process === process) this.kill(place, 0);
    };
    time.schedule(process, 0, () => {
      worker.drain({ graceMs }).then(end, end);
    });
  }

  #start(place: Place): void {
    const { time, database, network, record } = this.#options;
    place.starts += 1;
    const process = time.spawn(`${place.name}.${place.starts}`);
    place.process = process;
    record.note(`${process.name} starts`);
    time.schedule(process, 0, () => {
      const store = network.connect(process, database.open());
      const bus = network.bus(process);
      tellCommits(store, bus);
      if (place.kind !== 'worker')
        this.#servers.set(place, { process, engine: createEngine({ store, bus }) });
      if (place.kind !== 'server') this.#work(place, process, { store, bus });
    });
  }

  #work(place: Place, process: SimulatedProcess, parts: Pick<WorkerOptions, 'store' | 'bus'>): void {
    const { worker } = this.#options;
    const options = { ...parts, ...worker, log, namespace, queues: ['default'], processStart };
    createWorker(options).then(
      (started) => {
        place.worker = started;
      },
      () => {
        if (place.process === process) this.kill(place, restartMs);
      },
    );
  }
}
