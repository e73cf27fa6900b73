/**
 * Flat steps: what a step costs in a durable function of 2,000 steps, beside functions of 20, in an embedded engine on
 * SQLite with `synchronous=FULL`.
 *
 *     npm run bench -- flat-steps [--steps 2000] [--turns 3]
 *
 * `live`: 20 steps of the long function and a whole short one take turns, so that both meet the same disk; figures are
 * medians over all pairs. `resume`: the functions wait for a signal behind their steps; from the claim that it brings
 * about to the function's getting it, with all steps handed out again. `stored`: bytes on disk. What a task costs beside
 * its steps counts in the latter two, so that a short one looks worse there than it is.
 */
import { join } from 'node:path';
import { type Context, defineFunction, localPrincipal, type RunningWorker } from '@opspawn/ops-core';
import { openEmbedded, storedBytes } from './measuring/embedded.ts';
import { readArguments } from './measuring/read-arguments.ts';
import { median, medianRatio } from './measuring/statistics.ts';
import { temporaryFolder } from './measuring/temporary-folder.ts';

/** Steps of a short function, and of a stretch of the long one. */
const stretch = 20;

/** Of one task, in ms per step. */
interface Figures {
  /** One for each stretch. */
  live: number[];
  resume: number;
}

/** What happens to one task. */
class Progress {
  readonly live: number[] = [];
  /** By `performance.now()`. */
  claimedAt = 0;
  resumedAt = 0;
  readonly waits = Promise.withResolvers<void>();
  readonly ended = Promise.withResolvers<void>();
  /** Done between two stretches. */
  readonly between: () => Promise<void>;

  constructor(between: () => Promise<void>) {
    this.between = between;
  }
}

class Embedded {
  readonly #databasePath: string;
  readonly #progress = new Map<string, Progress>();
  readonly #worker: Promise<RunningWorker>;

  constructor(folder: string) {
    this.#databasePath = join(folder, 'opspawn.db');
    const steps = defineFunction({ name: 'steps', run: (ctx, input) => this.#run(ctx, Number(input)) });
    this.#worker = openEmbedded({
      folder,
      config: { functions: [steps] },
      onClaimed: (taskIds) => {
        for (const taskId of taskIds) this.#of(taskId).claimedAt = performance.now();
      },
      onFinished: (taskId) => this.#of(taskId).ended.resolve(),
    });
  }

  async measure(steps: number, between = async (): Promise<void> => {}): Promise<Figures> {
    const { engine } = await this.#worker;
    const { task } = await engine.submit(localPrincipal, { name: 'steps', input: steps });
    const progress = new Progress(between);
    this.#progress.set(task.id, progress);
    await progress.waits.promise;
    while ((await engine.get(localPrincipal, task.id)).status !== 'waiting') await nextTurn();
    await engine.signal(localPrincipal, task.id, { name: 'go on' });
    await progress.ended.promise;
    this.#progress.delete(task.id);
    return { live: progress.live, resume: (progress.resumedAt - progress.claimedAt) / steps };
  }

  storedBytes(): number {
    return storedBytes(this.#databasePath);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#worker)[Symbol.asyncDispose]();
  }

  async #run(ctx: Context, steps: number): Promise<number> {
    let sum = 0;
    for (let from = 0; from < steps; from += stretch) {
      if (from > 0) await ctx.step('between', () => this.#of(ctx.taskId).between());
      const startedAt = performance.now();
      for (let index = from; index < from + stretch; index += 1) sum += await ctx.step('add', () => index);
      // Only the first time: a replay hands out again what was done then.
      this.#of(ctx.taskId).live[from / stretch] ??= (performance.now() - startedAt) / stretch;
    }
    this.#of(ctx.taskId).waits.resolve();
    await ctx.signal('go on');
    this.#of(ctx.taskId).resumedAt = performance.now();
    return sum;
  }

  #of(taskId: string): Progress {
    return this.#progress.get(taskId) ?? new Progress(async () => {});
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Bytes that a step keeps on disk, as many steps in long tasks and in short ones. Warms up what is measured next. */
async function measureStored(embedded: Embedded, steps: number, tasks: number): Promise<number> {
  const before = embedded.storedBytes();
  for (let index = 0; index < tasks; index += 1) await embedded.measure(steps);
  return (embedded.storedBytes() - before) / (steps * tasks);
}

interface Series {
  live: number[];
  resume: number[];
}

/** A long task, with a short one between its stretches. */
async function takeTurn(embedded: Embedded, steps: number, short: Series, long: Series): Promise<void> {
  const { live, resume } = await embedded.measure(steps, async () => {
    const figures = await embedded.measure(stretch);
    short.live.push(...figures.live);
    short.resume.push(figures.resume);
  });
  // The first stretch has no short task before it.
  long.live.push(...live.slice(1));
  long.resume.push(resume);
}

export async function run(args: readonly string[]): Promise<void> {
  const values = readArguments(args, { steps: '2000', turns: '3' });
  const steps = Number(values.steps);
  using folder = temporaryFolder();
  await using embedded = new Embedded(folder.path);
  const stored = [
    await measureStored(embedded, stretch, steps / stretch),
    await measureStored(embedded, steps, 1),
  ] as const;
  const short: Series = { live: [], resume: [] };
  const long: Series = { live: [], resume: [] };
  for (let turn = 0; turn < Number(values.turns); turn += 1) await takeTurn(embedded, steps, short, long);
  const microseconds = (ms: readonly number[]): string => `${(median(ms) * 1000).toFixed(1)} µs`;
  const ratio = (a: number, b: number): string => (a / b).toFixed(2);
  const rows = [
    ['per step', `in ${stretch}`, `in ${steps}`, 'ratio'],
    [
      'live',
      microseconds(short.live),
      microseconds(long.live),
      medianRatio(long.live, short.live).toFixed(2),
    ],
    [
      'resume',
      microseconds(short.resume),
      microseconds(long.resume),
      ratio(median(long.resume), median(short.resume)),
    ],
    ['stored', ...stored.map((bytes) => `${bytes.toFixed(0)} bytes`), ratio(stored[1], stored[0])],
  ];
  for (const cells of rows) process.stdout.write(`${cells.map((cell) => cell.padEnd(12)).join('')}\n`);
}
