/** What the tasks of a simulation do: small random programs, which one durable function plays. */
import { defineFunction } from '../../packages/ops-core/src/tasks/definitions/definition.ts';
import type { Context } from '../../packages/ops-core/src/tasks/durable/context.ts';
import type { Random } from './random.ts';

/** A name is used once in a task, so that it names a step. `ms` is how long its code takes. */
export type Operation =
  | { do: 'step'; name: string; ms: number; failures: number }
  | { do: 'once'; name: string; ms: number }
  | { do: 'sleep'; ms: number }
  | { do: 'signal'; name: string; timeoutMs?: number }
  | { do: 'approval'; name: string }
  | { do: 'child'; program: Operation[] }
  | { do: 'all' | 'race'; branches: Operation[][] }
  /** Fails the attempt, so many times. */
  | { do: 'fail'; name: string; times: number };

/** What the outside world does in a program's steps. */
export interface World {
  /** The code of a step begins. How often it has, this time included. */
  begin(taskId: string, name: string): number;
}

/** A result of an operation, as the task gives it: its name, and its value where it has one. */
export type Seen = [name: string, value?: unknown];

export const definePlay = (world: World) =>
  defineFunction({
    name: 'play',
    retry: { maxAttempts: 3, initialDelayMs: 200, maxDelayMs: 2_000 },
    run: (ctx, program: Operation[]) => play(ctx, program, world),
  });

async function play(ctx: Context, program: readonly Operation[], world: World): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (const operation of program) seen.push(...(await perform(ctx, operation, world)));
  return seen;
}

async function perform(ctx: Context, operation: Operation, world: World): Promise<Seen[]> {
  switch (operation.do) {
    case 'step':
    case 'once':
      return [[operation.name, await step(ctx, operation, world)]];
    case 'sleep':
      await ctx.sleep(operation.ms);
      return [];
    case 'signal':
      return [[operation.name, await signal(ctx, operation)]];
    case 'approval':
      return [[operation.name, (await ctx.approval(operation.name)).approved]];
    case 'child':
      return ((await ctx.task('play', operation.program)) ?? []) as Seen[];
    case 'all':
      return (await ctx.all(operation.branches.map((branch) => () => play(ctx, branch, world)))).flat();
    case 'race':
      return await ctx.race(operation.branches.map((branch) => () => play(ctx, branch, world)));
    case 'fail':
      if (world.begin(ctx.taskId, operation.name) <= operation.times) throw new Error(operation.name);
      return [];
    default:
      return operation satisfies never;
  }
}

type StepOperation = Extract<Operation, { do: 'step' | 'once' }>;

function step(ctx: Context, operation: StepOperation, world: World): Promise<string> {
  const { name, ms } = operation;
  const code = async (): Promise<string> => {
    const count = world.begin(ctx.taskId, name);
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
    if (operation.do === 'step' && count <= operation.failures) throw new Error(`${name} fails`);
    return `${name} ${count}`;
  };
  return ctx.step(
    name,
    code,
    operation.do === 'once' ? { effect: 'once' } : { retry: { initialDelayMs: 50 } },
  );
}

async function signal(
  ctx: Context,
  { name, timeoutMs }: Extract<Operation, { do: 'signal' }>,
): Promise<unknown> {
  try {
    return await ctx.signal(name, timeoutMs === undefined ? {} : { timeoutMs });
  } catch (error) {
    if ((error as { code?: unknown }).code === 'timeout') return 'nothing came';
    throw error;
  }
}

/** How long a step's code takes: mostly a moment, now and then longer than a lease. */
const stepMs = [0, 0, 1, 50, 800, 6_000] as const;
const deepest = 2;

export function drawProgram(random: Random): Operation[] {
  let names = 0;
  const program = (depth: number, isBranch: boolean): Operation[] =>
    Array.from({ length: random.between(1, depth === 0 ? 5 : 2) }, () => draw(depth, isBranch));
  const branches = (depth: number): Operation[][] =>
    Array.from({ length: random.between(2, 3) }, () => program(depth + 1, true));
  const draw = (depth: number, isBranch: boolean): Operation => {
    names += 1;
    const name = `${names}`;
    const kind = random.below(depth < deepest ? 20 : 16);
    if (kind < 6) return drawStep(random, name);
    if (kind < 9) return { do: 'once', name: `once-${name}`, ms: random.pick(stepMs) };
    if (kind < 11) return { do: 'sleep', ms: random.pick([10, 900, 1_500, 5_000]) };
    if (kind < 13) return drawSignal(random, name);
    if (kind < 14) return { do: 'approval', name: `approval-${name}` };
    // What fails by itself does not do the same on a replay, and so may not decide between branches.
    if (kind < 16 && isBranch) return drawStep(random, name);
    if (kind < 16) return { do: 'fail', name: `fail-${name}`, times: random.pick([1, 1, 2, 3]) };
    if (kind < 18) return { do: 'child', program: program(depth + 1, false) };
    return { do: kind < 19 ? 'all' : 'race', branches: branches(depth) };
  };
  return program(0, false);
}

function drawStep(random: Random, name: string): Operation {
  const failures = random.chance(0.2) ? random.between(1, 2) : 0;
  return { do: 'step', name: `step-${name}`, ms: random.pick(stepMs), failures };
}

function drawSignal(random: Random, name: string): Operation {
  const timeout = random.chance(0.5) ? { timeoutMs: random.pick([500, 3_000]) } : {};
  return { do: 'signal', name: `signal-${name}`, ...timeout };
}
