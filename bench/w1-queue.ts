/**
 * W1, queue: no-op tasks with a 200-byte JSON payload, submitted one by one by 50 callers, run by one worker.
 *
 *     npm run bench -- w1-queue [--tasks 20000] [--rounds 3] [--adapters postgres-floor,rabbitmq-engine,pg-boss]
 *
 * BullMQ and graphile-worker keep no history here, and BullMQ can lose the last second; a floor has no retries, leases or
 * history. graphile-worker and pg-boss are faster at bulks, which this does not measure.
 *
 * `submit`: only submitted, each caller waiting until its task is durable. `drain`: all were submitted before.
 * `both`: submitted and run at the same time, until all are recorded as done. Each figure is a median over the rounds;
 * each round runs every adapter in a process and on a file or database of its own. In brackets: the ratio to the floor
 * of the same database in the same round.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type ServiceName, services } from '../scripts/services/kinds.ts';
import { startServices } from '../scripts/services.ts';
import { installPeers } from './measuring/install-peers.ts';
import { newDatabase, type Place } from './measuring/new-database.ts';
import { engine, postgresEngine, rabbitmqEngine } from './queues/engine.ts';
import { perSecond, perSecondOfBoth, runAll, submitAll } from './queues/load.ts';
import { postgresFloor } from './queues/postgres-floor.ts';
import { postgresStore } from './queues/postgres-store.ts';
import type { Queue, QueueAdapter } from './queues/queue.ts';
import { sqliteFloor } from './queues/sqlite-floor.ts';
import { sqliteStore } from './queues/sqlite-store.ts';

/** A package of others, imported in the process that measures it. */
const peer = (module: string, service: ServiceName): QueueAdapter & { isPeer: true } => ({
  services: [service],
  isPeer: true,
  async open(...place) {
    const { open } = await import(new URL(`queues/${module}`, import.meta.url).href);
    return await open(...place);
  },
});

/** Each is compared with the floor whose name begins as its own does, or with that of PostgreSQL. */
const adapters: Readonly<Record<string, QueueAdapter>> = {
  'sqlite-floor': sqliteFloor,
  'sqlite-store': sqliteStore,
  'sqlite-engine': engine,
  'postgres-floor': postgresFloor,
  'postgres-store': postgresStore,
  'postgres-engine': postgresEngine,
  'rabbitmq-engine': rabbitmqEngine,
  'graphile-worker': peer('graphile-worker.mjs', 'postgres'),
  'pg-boss': peer('pg-boss.mjs', 'postgres'),
  dbos: peer('dbos.mjs', 'postgres'),
  bullmq: peer('bullmq.mjs', 'redis'),
};
const floorOf = (name: string): string => (name.startsWith('sqlite') ? 'sqlite-floor' : 'postgres-floor');
const measures = ['submit', 'drain', 'both'] as const;
/** Tasks per second. */
type Figures = Record<(typeof measures)[number], number>;

async function withQueue<Result>(
  adapter: QueueAdapter,
  use: (queue: Queue) => Promise<Result>,
): Promise<Result> {
  await using place = await (adapter.services?.[0] === 'postgres'
    ? newDatabase(urlOf('postgres'))
    : newFile());
  const urls = adapter.services?.filter((name) => name !== 'postgres').map(urlOf) ?? [];
  await using queue = await adapter.open(place.name, ...urls);
  return await use(queue);
}

async function newFile(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'opspawn-bench-'));
  return {
    name: join(folder, 'queue.db'),
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true }),
  };
}

const urlOf = (service: ServiceName): string => process.env[services[service].variable] ?? '';

async function measure(adapter: QueueAdapter, tasks: number): Promise<Figures> {
  const apart = await withQueue(adapter, async (queue) => ({
    submit: await perSecond(tasks, () => submitAll(queue, tasks)),
    drain: await perSecond(tasks, () => runAll(queue, tasks)),
  }));
  const both = await withQueue(adapter, (queue) => perSecondOfBoth(queue, tasks));
  return { ...apart, both };
}

async function measureInChild(name: string, tasks: number, variables: object): Promise<Figures> {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, 'w1-queue', '--only', name, '--tasks', String(tasks)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...variables },
  });
  return JSON.parse(await text(child.stdout)) as Figures;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

function report(rounds: ReadonlyMap<string, readonly Figures[]>): void {
  for (const [name, figures] of rounds) {
    const floor = rounds.get(floorOf(name)) ?? [];
    const cells = measures.map((key) => {
      const value = median(figures.map((round) => round[key]));
      const ratio = median(figures.map((round, index) => round[key] / (floor[index]?.[key] ?? Number.NaN)));
      return `${key} ${(value / 1000).toFixed(1).padStart(6)}k/s (${ratio.toFixed(2)})`;
    });
    process.stdout.write(`${name.padEnd(16)} ${cells.join('   ')}\n`);
  }
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      tasks: { type: 'string', default: '20000' },
      rounds: { type: 'string', default: '3' },
      adapters: { type: 'string', default: Object.keys(adapters).join(',') },
      only: { type: 'string' },
    },
  });
  const tasks = Number(values.tasks);
  const only = values.only === undefined ? undefined : adapters[values.only];
  if (only !== undefined) {
    process.stdout.write(JSON.stringify(await measure(only, tasks)));
    return;
  }
  const rounds = new Map(values.adapters.split(',').map((name) => [name, [] as Figures[]]));
  const needed = [...rounds.keys()].flatMap((name) => adapters[name]?.services ?? []);
  if ([...rounds.keys()].some((name) => adapters[name]?.isPeer)) installPeers();
  await using started = await startServices([...new Set(needed)], (message) => {
    throw new Error(message);
  });
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const [name, figures] of rounds) figures.push(await measureInChild(name, tasks, started.variables));
  }
  report(rounds);
}
