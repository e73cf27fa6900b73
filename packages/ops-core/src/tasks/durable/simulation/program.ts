import { AsyncLocalStorage } from 'node:async_hooks';
import { OpspawnError } from '@opspawn/agentkit';
import type { Context } from '../context.ts';
import { type Random, turns } from './random.ts';

/** A durable function as data, so that it can be drawn at random and made smaller when it fails. */
export type Program =
  | { type: 'step'; name: number; latency: number; failBelow: number; once: boolean; tries: number }
  /** A step whose name depends on all that was seen so far, in every branch. */
  | { type: 'named' }
  | {
      type: 'sequence' | 'all' | 'race' | 'plainAll' | 'plainRace' | 'generator' | 'unawaited';
      parts: Program[];
    }
  | { type: 'map'; part: Program; items: number; concurrency: number }
  | { type: 'try'; body: Program; handler: Program }
  /** As many rounds as a step says. */
  | { type: 'loop'; body: Program; latency: number }
  | { type: 'sleep'; ms: number }
  | { type: 'signal'; name: number; timeoutMs?: number }
  | { type: 'approval'; timeoutMs?: number }
  | { type: 'child' }
  | { type: 'log' }
  /** Reads the clock and draws numbers after some microtasks. */
  | { type: 'pure'; microtasks: number }
  /** I/O outside a step. */
  | { type: 'io'; latency: number };

/** What ran. */
export interface Executed {
  once: boolean;
  tryNumber: number;
  /** The call whose result it acts upon, where it changes something. */
  followsFrom?: string | undefined;
}

/** Where a program runs: what it saw goes into `trace`, which is the same in every attempt. */
export interface Scene {
  ctx: Context;
  random: Random;
  /** Told whenever the code of a step runs. */
  executed: (idempotencyKey: string, step: Executed) => void;
  trace: string[];
}

const usersStorage = new AsyncLocalStorage<number>();

/** Runs a program; `place` is where in the whole it stands. */
export async function perform(program: Program, scene: Scene, place: string): Promise<unknown> {
  const { ctx, trace } = scene;
  const note = <T>(seen: T): T => {
    trace.push(`${place}:${JSON.stringify(seen)}`);
    return seen;
  };
  switch (program.type) {
    case 'step':
      return note(await performStep(program, scene));
    case 'named':
      return note(await ctx.step(`named ${trace.length}`, () => turns(1)));
    case 'sleep':
      await ctx.sleep(program.ms);
      return note('slept');
    case 'signal':
      return note(await orTimeout(ctx.signal(`s${program.name}`, timeout(program.timeoutMs))));
    case 'approval':
      return note(
        await orTimeout(ctx.approval('agree', { payload: { trace: 1 }, ...timeout(program.timeoutMs) })),
      );
    case 'child':
      return note(await ctx.task('child', { of: place }));
    case 'log':
      ctx.log('info', `at ${place}`, { length: trace.length });
      return note('logged');
    case 'io':
      await turns(program.latency + scene.random.below(program.latency + 1));
      return note('io');
    case 'pure':
      for (let i = 0; i < program.microtasks; i += 1) await Promise.resolve();
      if (program.microtasks === 2) await new Promise<void>((resolve) => process.nextTick(resolve));
      return note([ctx.now(), ctx.random(), ctx.uuid()]);
    default:
      return await performParts(program, scene, place, note);
  }
}

async function performParts(
  program: Extract<Program, { parts: Program[] } | { type: 'map' | 'try' | 'loop' }>,
  scene: Scene,
  place: string,
  note: <T>(seen: T) => T,
): Promise<unknown> {
  const { ctx } = scene;
  const branches = (letter: string) =>
    'parts' in program
      ? program.parts.map((part, i) => () => perform(part, scene, `${place}${letter}${i}`))
      : [];
  switch (program.type) {
    case 'sequence': {
      let last: unknown;
      for (const branch of branches('')) last = await branch();
      return last;
    }
    case 'all':
      return note(await usersStorage.run(1, () => ctx.all(branches('a'))));
    case 'race':
      return note(await ctx.race(branches('r')));
    case 'plainAll':
      return note(await Promise.all(branches('A').map((branch) => branch())));
    case 'plainRace':
      return note(await Promise.race(branches('R').map((branch) => branch())));
    case 'unawaited':
      for (const branch of branches('u')) branch().catch((error: unknown) => note(String(error)));
      return note('left alone');
    case 'generator': {
      const seen: unknown[] = [];
      for await (const value of pulled(branches('g'))) seen.push(value);
      return note(seen);
    }
    case 'map': {
      const items = Array.from({ length: program.items }, (_, i) => i);
      const { concurrency, part } = program;
      return note(await ctx.map(items, (item) => perform(part, scene, `${place}m${item}`), { concurrency }));
    }
    case 'try':
      try {
        return await perform(program.body, scene, `${place}t`);
      } catch (error) {
        note(String(error));
        return await perform(program.handler, scene, `${place}h`);
      }
    case 'loop': {
      const step = {
        type: 'step',
        name: 2,
        latency: program.latency,
        failBelow: 0,
        once: false,
        tries: 1,
      } as const;
      const rounds = (await performStep(step, scene)) % 3;
      for (let i = 0; i < note(rounds); i += 1) await perform(program.body, scene, `${place}l${i}`);
      return rounds;
    }
  }
}

async function* pulled(branches: readonly (() => Promise<unknown>)[]): AsyncGenerator<unknown> {
  for (const branch of branches) yield await branch();
}

const timeout = (timeoutMs: number | undefined): { timeoutMs?: number } =>
  timeoutMs === undefined ? {} : { timeoutMs };

async function orTimeout(wait: Promise<unknown>): Promise<unknown> {
  try {
    return await wait;
  } catch (error) {
    if (error instanceof OpspawnError && error.code === 'timeout') return 'timed out';
    throw error;
  }
}

function performStep(
  step: Extract<Program, { type: 'step' }>,
  { ctx, random, executed }: Scene,
): Promise<number> {
  const { name, latency, failBelow, once, tries } = step;
  const outcome = (): number => {
    const value = random.below(1_000);
    if (value < failBelow) throw new OpspawnError('tool_failed', `drew ${value}`, { retryable: true });
    return value;
  };
  return ctx.step(
    `n${name}`,
    ({ idempotencyKey, tryNumber }) => {
      executed(idempotencyKey, { once, tryNumber });
      return latency === 0 ? outcome() : turns(latency).then(outcome);
    },
    {
      effect: once ? 'once' : 'idempotent',
      retry: { maxAttempts: once ? 1 : tries, initialDelayMs: 20, factor: 2 },
    },
  );
}
