/**
 * W2, pickup: how long a task waits in an idle embedded engine on SQLite with `synchronous=FULL`, from the call of
 * `submit` to the first line of its function, at 20 tasks a second.
 *
 *     npm run bench -- w2-pickup [--rounds 3] [--tasks 300]
 *
 * The floor is asked in between, 25 ms after each task, so that both meet the same disk. Figures are medians over the
 * rounds of the percentiles of each round, in ms; ratios are between those of the same round.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineFunction, localPrincipal } from '@opspawn/ops-core';
import { openEmbedded } from './measuring/embedded.ts';
import { readArguments } from './measuring/read-arguments.ts';
import { median, medianRatio, percentile } from './measuring/statistics.ts';
import { temporaryFolder } from './measuring/temporary-folder.ts';
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

export async function run(args: readonly string[]): Promise<void> {
  const values = readArguments(args, { rounds: '3', tasks: '300' });
  using folder = temporaryFolder();
  const starts = new Map<number, () => void>();
  const noop = defineFunction<{ id: number }>({ name: 'noop', run: (_ctx, { id }) => starts.get(id)?.() });
  await using worker = await openEmbedded({ folder: folder.path, config: { functions: [noop] } });
  using floor = new SqlitePickup(join(folder.path, 'floor.db'));
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
