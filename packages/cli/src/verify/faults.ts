/** What is done to a fleet while it works. Counts are those of the whole suite; a smaller scale does a part of them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { OpspawnError } from '@opspawn/agentkit';
import type { Deployment, SmallDisk } from './deployment.ts';
import type { Fleet, FleetWorker } from './fleet.ts';
import type { TcpProxy } from './tcp-proxy.ts';

/** Where a fault strikes. */
export interface Field {
  readonly deployment: Deployment;
  readonly fleet: Fleet;
  /** Of the database and of the broker, where they are reached over a network. */
  readonly proxies: readonly TcpProxy[];
  /** Of the database, for a fault that asked for it. */
  readonly disk?: SmallDisk;
  readonly queue: string;
  readonly leaseTtlMs: number;
  /** In [0, 1), from the suite's seed. */
  random(): number;
}

export interface Fault {
  readonly name: string;
  readonly what: string;
  readonly tasks: number;
  readonly strikes: number;
  /** How many strikes come at the same time. Default: 1. */
  readonly atOnce?: number;
  /** Of all calls to the store. */
  readonly storeFaults?: { readonly before: number; readonly after: number };
  readonly throughProxy?: true;
  /** Not on the deployment's database, but on one with a disk of its own. */
  readonly smallDisk?: 'sqlite' | 'postgres';
  /** Why it cannot be had here; undefined: it can. */
  refusal?(deployment: Deployment): string | undefined;
  strike?(field: Field): Promise<void>;
  /** Undoes what would go on beyond this fault. */
  end?(deployment: Deployment): Promise<void>;
}

const hourMs = 3_600_000;

const onNetwork = ({ settings: { database, brokerUrl } }: Deployment): string | undefined =>
  database.kind === 'sqlite' && brokerUrl === undefined
    ? 'nothing here is reached over a network'
    : undefined;

export const faults: readonly Fault[] = [
  {
    name: 'kill',
    what: 'SIGKILL of one of three workers',
    tasks: 10_000,
    strikes: 500,
    atOnce: 2,
    async strike(field) {
      await field.fleet.end(anyWorker(field), 'SIGKILL');
      await field.fleet.add();
    },
  },
  {
    name: 'stop',
    what: 'SIGSTOP of a worker beyond its lease, then SIGCONT',
    tasks: 4_000,
    strikes: 200,
    atOnce: 2,
    refusal: ({ settings: { database } }) =>
      database.kind === 'sqlite'
        ? 'a process that is stopped in the middle of a SQLite transaction holds up all others'
        : undefined,
    async strike(field) {
      await field.fleet.stop(anyWorker(field), field.leaseTtlMs * (1.2 + field.random()));
    },
  },
  {
    name: 'restart',
    what: 'rolling SIGTERM',
    tasks: 4_000,
    strikes: 200,
    atOnce: 2,
    async strike(field) {
      await field.fleet.add();
      const ended = await field.fleet.end(anyWorker(field), 'SIGTERM');
      if (ended !== 0) throw new OpspawnError('internal', `A worker ended with ${ended} after SIGTERM`);
    },
  },
  { name: 'store-1', ...storeFaults(0.01) },
  { name: 'store-5', ...storeFaults(0.05) },
  {
    name: 'network',
    what: 'connections reset, cut in mid-frame, half-open or slow',
    tasks: 10_000,
    strikes: 1_000,
    throughProxy: true,
    refusal: onNetwork,
    strike: breakNetwork,
  },
  {
    name: 'clock',
    what: 'clocks of workers an hour forward or back',
    tasks: 2_500,
    strikes: 50,
    async strike(field) {
      for (const worker of field.fleet.workers) {
        const clockOffsetMs = (Math.floor(field.random() * 3) - 1) * hourMs;
        field.fleet.tell(worker, { clockOffsetMs });
      }
      await sleep(field.leaseTtlMs);
    },
  },
  {
    name: 'database-clock',
    what: 'clock of the database an hour forward or back',
    tasks: 2_500,
    strikes: 50,
    refusal: ({ database }) =>
      database?.moveClock === undefined ? 'needs a database of its own, under faketime' : undefined,
    async strike({ deployment: { database }, random, leaseTtlMs }) {
      await database?.moveClock?.((Math.floor(random() * 3) - 1) * hourMs);
      await sleep(leaseTtlMs);
    },
    end: async ({ database }) => await database?.moveClock?.(0),
  },
  {
    name: 'database',
    what: 'the database killed',
    tasks: 15_000,
    strikes: 100,
    refusal: ({ database }) => (database === undefined ? 'needs a database of its own' : undefined),
    async strike({ deployment: { database }, random }) {
      await sleep(1_000 * random());
      await database?.kill();
      await sleep(500 * random());
      await database?.start();
    },
  },
  { name: 'disk-sqlite', ...fullDisk('sqlite') },
  { name: 'disk-postgres', ...fullDisk('postgres') },
  {
    name: 'broker',
    what: 'the broker killed, or its connections closed',
    tasks: 20_000,
    strikes: 200,
    refusal: needsBroker,
    async strike({ deployment: { broker }, random }) {
      if (random() < 0.5) return await broker?.closeConnections();
      await broker?.kill();
      await broker?.start();
    },
  },
  {
    name: 'purge',
    what: "the broker's queue purged",
    tasks: 2_000,
    strikes: 20,
    refusal: needsBroker,
    strike: async ({ deployment: { broker }, queue }) => await broker?.purge(queue),
  },
];

function needsBroker({ broker }: Deployment): string | undefined {
  return broker === undefined ? 'needs a broker of its own' : undefined;
}

function storeFaults(share: number): Omit<Fault, 'name'> {
  return {
    what: `${share * 100} % of all calls to the store done and reported as failed, ${share * 100} % failed before`,
    tasks: 5_000,
    strikes: 0,
    storeFaults: { before: share, after: share },
  };
}

function fullDisk(kind: 'sqlite' | 'postgres'): Omit<Fault, 'name'> {
  return {
    what: `the disk of ${kind === 'sqlite' ? 'a SQLite database' : 'PostgreSQL'} full`,
    tasks: 2_500,
    strikes: 50,
    smallDisk: kind,
    refusal: ({ openSmallDisk }) =>
      openSmallDisk === undefined ? 'needs a file system of its own, which only root may mount' : undefined,
    async strike({ disk, random, leaseTtlMs }) {
      disk?.fill();
      await sleep(leaseTtlMs * 2 * random());
      await disk?.free();
    },
  };
}

function anyWorker({ fleet, random }: Field): FleetWorker {
  const worker = fleet.workers[Math.floor(random() * fleet.workers.length)];
  if (worker === undefined) throw new OpspawnError('internal', 'There is no worker left');
  return worker;
}

async function breakNetwork({ proxies, random, leaseTtlMs }: Field): Promise<void> {
  const proxy = proxies[Math.floor(random() * proxies.length)];
  if (proxy === undefined) return;
  const kind = random();
  if (kind < 0.4) proxy.reset();
  else if (kind < 0.7) proxy.cutAfter(Math.floor(random() * 2_000));
  else if (kind < 0.95) {
    proxy.delay(300 * random());
    await sleep(300);
    proxy.delay(0);
  } else {
    proxy.silence(true);
    await sleep(leaseTtlMs * 2 * random());
    proxy.silence(false);
  }
  await sleep(100 * random());
}
