/**
 * W2, pickup: how long a task waits in an idle engine, from the call of `submit` to the first line of its function, at 20
 * tasks a second. The engine is one process, on SQLite with `synchronous=FULL`, on PostgreSQL, or on PostgreSQL with
 * RabbitMQ, through which every doorbell goes.
 *
 *     npm run bench -- w2-pickup [--on sqlite | postgres | rabbitmq] [--rounds 3] [--tasks 300]
 *
 * The floor is asked in between, 25 ms after each task, so that both meet the same disk. Figures are medians over the
 * rounds of the percentiles of each round, in ms; ratios are between those of the same round.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineFunction, localPrincipal } from '@opspawn/ops-core';
import { type ServiceName, services } from '../scripts/services/kinds.ts';
import { startServices } from '../scripts/services.ts';
import { openEmbedded } from './measuring/embedded.ts';
import { newDatabase } from './measuring/new-database.ts';
import { readArguments } from './measuring/read-arguments.ts';
import { median, medianRatio, percentile } from './measuring/statistics.ts';
import { temporaryFolder } from './measuring/temporary-folder.ts';
import type { PickupFloor } from './pickup/pickup-floor.ts';
import { PostgresPickup } from './pickup/postgres-floor.ts';
import { SqlitePickup } from './pickup/sqlite-floor.ts';

const everyMs = 50;
const payload = { text: 'x'.repeat(189) };

/** Submits a task and calls `onStart` when its code runs. */
type Submit = (onStart: () => void) => Promise<void>;

async function pickupMs(submit: Submit): Promise<number> {
  const started = Promise.withResolvers<number>();
  const submittedAt = performance.now();
  await submit(() => started.resolve(performance.now()));
  return (await started.promise) - submittedAt;
}

/** Both by turns, each at its own beat. */
async function measureRound(engine: Submit, floor: Submit, tasks: number): Promise<[number[], number[]]> {
  const figures: [number[], number[]] = [[], []];
  for (let task = 0; task < tasks; task += 1) {
    figures[0].push(await pickupMs(engine));
    await sleep(everyMs / 2);
    figures[1].push(await pickupMs(floor));
    await sleep(everyMs / 2);
  }
  return figures;
}

const shares = { p50: 0.5, p99: 0.99 } as const;

function report(engine: readonly number[][], floor: readonly number[][]): void {
  const at = (rounds: readonly number[][], share: number): number[] =>
    rounds.map((round) => percentile(round, share));
  for (const [name, share] of Object.entries(shares)) {
    const [ours, least] = [at(engine, share), at(floor, share)];
    const ratio = medianRatio(ours, least).toFixed(2);
    process.stdout.write(
      `${name}  engine ${median(ours).toFixed(2)} ms   floor ${median(least).toFixed(2)} ms   ratio ${ratio}\n`,
    );
  }
}

const servers = {
  sqlite: [],
  postgres: ['postgres'],
  rabbitmq: ['postgres', 'rabbitmq'],
} as const satisfies Record<string, readonly ServiceName[]>;

interface Place {
  readonly folder: string;
  readonly databaseUrl?: string;
  readonly brokerUrl?: string;
}

/** Starts what it needs; all of it goes with the stack. */
async function openPlace(on: keyof typeof servers, stack: AsyncDisposableStack): Promise<Place> {
  const folder = stack.use(temporaryFolder()).path;
  if (on === 'sqlite') return { folder };
  const onMissing = (message: string) => {
    throw new Error(message);
  };
  const { variables } = stack.use(await startServices(servers[on], onMissing));
  const urlOf = (name: ServiceName): string => variables[services[name].variable] ?? '';
  const databaseUrl = stack.use(await newDatabase(urlOf('postgres'))).name;
  return { folder, databaseUrl, ...(on === 'rabbitmq' ? { brokerUrl: urlOf('rabbitmq') } : {}) };
}

async function openFloor({ folder, databaseUrl }: Place, stack: AsyncDisposableStack): Promise<PickupFloor> {
  return databaseUrl === undefined
    ? stack.use(new SqlitePickup(join(folder, 'floor.db')))
    : stack.use(await PostgresPickup.open(databaseUrl));
}

export async function run(args: readonly string[]): Promise<void> {
  const values = readArguments(args, { on: 'sqlite', rounds: '3', tasks: '300' });
  if (!(values.on in servers))
    throw new Error(`--on ${values.on}: one of ${Object.keys(servers).join(', ')}`);
  await using stack = new AsyncDisposableStack();
  const place = await openPlace(values.on as keyof typeof servers, stack);
  const starts = new Map<number, () => void>();
  const noop = defineFunction<{ id: number }>({ name: 'noop', run: (_ctx, { id }) => starts.get(id)?.() });
  const worker = stack.use(await openEmbedded({ ...place, config: { functions: [noop] } }));
  const floor = await openFloor(place, stack);
  let id = 0;
  const submitToEngine: Submit = async (onStart) => {
    id += 1;
    starts.set(id, onStart);
    await worker.engine.submit(localPrincipal, { name: 'noop', input: { id, ...payload } });
  };
  const submitToFloor: Submit = (onStart) => floor.submit(JSON.stringify(payload), onStart);
  await measureRound(submitToEngine, submitToFloor, 20);
  const rounds: [number[], number[]][] = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    rounds.push(await measureRound(submitToEngine, submitToFloor, Number(values.tasks)));
  }
  report(
    rounds.map(([engine]) => engine),
    rounds.map(([, floorFigures]) => floorFigures),
  );
}
