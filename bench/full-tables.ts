/**
 * Full tables: W1's tasks, submitted and run at the same time on PostgreSQL, beside millions of finished tasks and hundreds of
 * thousands that are pending, against the same on empty tables.
 *
 *     npm run bench -- full-tables [--finished 5000000] [--pending 500000] [--tasks 20000] [--rounds 3]
 *
 * A quarter of the pending tasks is held back by its session, a quarter by a limit; the others are ready in a queue that no
 * worker serves. The finished ones are of the namespace and the function that is measured. Rounds alternate, each in a process of its own.
 */
import pg from 'pg';
import { newId } from '../packages/ops-core/src/domain/new-id.ts';
import { openPostgresStore } from '../packages/ops-core/src/storage/postgres/database/open-store.ts';
import type { NewTask } from '../packages/ops-core/src/storage/store.ts';
import { services } from '../scripts/services/kinds.ts';
import { startServices } from '../scripts/services.ts';
import { serveContestant, startContestant } from './measuring/contestant.ts';
import { newDatabase, type Place } from './measuring/new-database.ts';
import { readArguments } from './measuring/read-arguments.ts';
import { median, medianRatio } from './measuring/statistics.ts';
import { postgresEngine } from './queues/engine.ts';
import { payload, perSecondOfBoth } from './queues/load.ts';

interface Load {
  tasks: number;
}

interface Figures {
  perSecond: number;
}

/** Of one transaction. */
const batch = 10_000;
/** Tasks that share a session or a key. */
const lineLength = 100;

const finishedTasks = `
  with fresh as (
    select (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || right(gen_random_uuid()::text, 21))::uuid as id,
      1700000000000 + n as at
    from generate_series($1::bigint, $2::bigint) as n
  ), made as (
    insert into tasks (namespace, id, kind, name, queue, priority, created_at, input)
    select 'default', id, 'function', 'noop', 'default', 5, at, $3 from fresh
  )
  insert into outcomes (task_id, namespace, status, failures, seq, attempt, at, asked, data)
  select id, 'default', 'completed', 0, 1, 1, at + 5, 0, '{}' from fresh`;

const pendingTask = (index: number): NewTask => {
  const line = Math.floor(index / 4 / lineLength);
  return {
    id: newId(),
    namespace: 'default',
    kind: 'function',
    name: 'noop',
    queue: 'elsewhere',
    priority: 5,
    input: payload(),
    ...(index % 4 === 0 ? { sessionId: `session-${line}` } : {}),
    ...(index % 4 === 1 ? { limits: [{ key: `tenant-${line}`, maxRunning: 1 }] } : {}),
  };
};

async function fill(url: string, { finished, pending }: { finished: number; pending: number }) {
  await using store = await openPostgresStore({ url });
  await using stack = new AsyncDisposableStack();
  const client = stack.adopt(new pg.Client({ connectionString: url }), (open) => open.end());
  await client.connect();
  for (let first = 0; first < finished; first += 10 * batch) {
    await client.query(finishedTasks, [first, Math.min(finished, first + 10 * batch) - 1, payload()]);
  }
  for (let first = 0; first < pending; first += batch) {
    const count = Math.min(batch, pending - first);
    await store.submitMany(Array.from({ length: count }, (_, index) => pendingTask(first + index)));
  }
  await client.query('vacuum analyze');
  await client.query('checkpoint');
}

async function measureOn(place: Place, tasks: number): Promise<number> {
  await using contestant = startContestant('full-tables', ['--on', place.name]);
  return (await contestant.measure<Figures>({ tasks })).perSecond;
}

async function serve(url: string): Promise<void> {
  await serveContestant<Load>(async ({ tasks }): Promise<Figures> => {
    await using queue = await postgresEngine.open(url);
    return { perSecond: await perSecondOfBoth(queue, tasks) };
  });
}

export async function run(args: readonly string[]): Promise<void> {
  const values = readArguments(args, {
    finished: '5000000',
    pending: '500000',
    tasks: '20000',
    rounds: '3',
    on: '',
  });
  if (values.on !== '') return await serve(values.on);
  const tasks = Number(values.tasks);
  await using started = await startServices(['postgres'], (message) => {
    throw new Error(message);
  });
  const serverUrl = started.variables[services.postgres.variable] ?? '';
  await using full = await newDatabase(serverUrl);
  const filledAt = performance.now();
  await fill(full.name, { finished: Number(values.finished), pending: Number(values.pending) });
  process.stdout.write(`filled in ${((performance.now() - filledAt) / 1000).toFixed(0)} s\n`);
  const figures = { empty: [] as number[], full: [] as number[] };
  for (let round = 0; round < Number(values.rounds); round += 1) {
    await using empty = await newDatabase(serverUrl);
    figures.empty.push(await measureOn(empty, tasks));
    figures.full.push(await measureOn(full, tasks));
  }
  const kiloPerSecond = (of: readonly number[]) => `${(median(of) / 1000).toFixed(1)}k/s`;
  process.stdout.write(
    `${values.finished} finished, ${values.pending} pending: ${kiloPerSecond(figures.full)}; empty tables: ` +
      `${kiloPerSecond(figures.empty)} (${medianRatio(figures.full, figures.empty).toFixed(2)})\n`,
  );
}
