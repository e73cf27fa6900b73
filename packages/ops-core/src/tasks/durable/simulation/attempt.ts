import type { Steps } from '@opspawn/agentkit';
import { type Context, createContext } from '../context.ts';
import { identityLabel } from '../identity.ts';
import { outcomeEntries } from '../outcome.ts';
import type { DurableOptions, DurableOutcome } from '../port.ts';
import { runDurable } from '../run-durable.ts';
import { identityOf, type SimulatedPort, SimulatedTask } from './simulated-task.ts';

export type Body = (ctx: Context, steps: Steps) => unknown;

/** A task in which nothing happens by itself. Its clock stands still until it is set. */
export const quietTask = (): SimulatedTask => new SimulatedTask(1);

/**
 * Runs one attempt over what is recorded, and writes what is to go with its end. Waits are never lingered for unless the
 * options say so.
 */
export async function attempt(
  task: SimulatedTask,
  body: Body,
  options: Partial<DurableOptions> = {},
  port: SimulatedPort = task.claim(),
): Promise<DurableOutcome> {
  const run = (steps: Steps) => body(createContext(steps), steps);
  const outcome = await runDurable(port, port.journal, run, { mode: 'replay', lingerMs: 0, ...options });
  if (outcome.kind !== 'completed') return outcome;
  task.commit(port.attempt, outcome.rest);
  return { ...outcome, rest: [] };
}

/** The value of a completed attempt; throws for every other outcome. */
export async function resultOf(outcome: Promise<DurableOutcome>): Promise<unknown> {
  const ended = await outcome;
  if (ended.kind !== 'completed') throw new Error(`The attempt ended otherwise: ${JSON.stringify(ended)}`);
  return ended.value === undefined ? undefined : JSON.parse(ended.value);
}

/** The journal as `type step`, one line an entry. */
export const entriesOf = (task: SimulatedTask): string[] =>
  task.journal.map((row) =>
    row.name === undefined ? row.type : `${row.type} ${identityLabel(identityOf(row))}`,
  );

/** The data of the last entry of this type. */
export function dataOf(task: SimulatedTask, type: string): Record<string, unknown> {
  return JSON.parse(task.journal.findLast((row) => row.type === type)?.data ?? '{}');
}

/** Writes how an attempt ended, as a worker does. */
export function close(task: SimulatedTask, outcome: DurableOutcome): void {
  if (!('nextSeq' in outcome)) throw new Error(`Nothing is to be written for ${outcome.kind}`);
  task.commit(task.attempt, outcomeEntries(outcome), { takes: 'takes' in outcome ? outcome.takes : [] });
}

export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
