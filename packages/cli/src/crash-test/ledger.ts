import { appendFileSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Effect, StepContext, StepKind, StepOptions, Steps } from '@opspawn/agentkit';

/** What a process says about its run, one line of JSON each, written before the next thing happens. */
export type LedgerLine =
  /** The task was accepted; from here on it must not get lost. */
  | { said: 'accepted'; taskId: string }
  /** The code of a step begins to run. */
  | { said: 'begun'; key: string; name: string; kind: StepKind; effect: Effect; tryNumber: number }
  | { said: 'ended'; key: string }
  /** What boundary each write of the task's owner came to. */
  | { said: 'boundaries'; boundaries: readonly number[] };

export const writeLedger = (path: string, line: LedgerLine): void =>
  appendFileSync(path, `${JSON.stringify(line)}\n`);

/** Lines of a process that was killed may end in the middle of one; that one counts as not written. */
export function readLedger(path: string): LedgerLine[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  const lines = text.split('\n');
  lines.pop();
  return lines.map((line) => JSON.parse(line) as LedgerLine);
}

interface LedgerOptions {
  path: string;
  /** Kill this process in the middle of the n-th step that begins, from 1. */
  killInStep?: number;
}

/**
 * Steps that say in the ledger what runs, whatever it is: a model call, a tool of whatever tier, a step of a function.
 * Steps that are answered from the journal do not run and are not said.
 */
export function ledgerSteps(steps: Steps, { path, killInStep }: LedgerOptions): Steps {
  let begun = 0;
  const run: Steps['run'] = <T>(
    name: string,
    fn: (step: StepContext) => T | Promise<T>,
    options: StepOptions<T> = {},
  ) =>
    steps.run(
      name,
      (step) => {
        begun += 1;
        const { kind = 'step', effect = 'idempotent' } = options;
        const key = step.idempotencyKey;
        writeLedger(path, { said: 'begun', key, name, kind, effect, tryNumber: step.tryNumber });
        const result = fn(step);
        if (begun === killInStep) return dieIn(result);
        return noteEnd(result, () => writeLedger(path, { said: 'ended', key }));
      },
      options,
    );
  return delegate(steps, run);
}

/** How long the effect gets before the kill. Shorter work is done and not recorded, longer work is cut off. */
const middleMs = 5;

async function dieIn<T>(result: T | Promise<T>): Promise<never> {
  await Promise.race([Promise.resolve(result).catch(() => {}), delay(middleMs)]);
  process.kill(process.pid, 'SIGKILL');
  return await new Promise<never>(() => {});
}

function noteEnd<T>(result: T | Promise<T>, note: () => void): T | Promise<T> {
  if (!(result instanceof Promise)) {
    note();
    return result;
  }
  return result.finally(note);
}

/** The same steps with another `run`. Written out, because they keep private state that a proxy cannot reach. */
const delegate = (steps: Steps, run: Steps['run']): Steps => ({
  get taskId() {
    return steps.taskId;
  },
  get namespace() {
    return steps.namespace;
  },
  get signal() {
    return steps.signal;
  },
  get budget() {
    return steps.budget;
  },
  run,
  wait: (request) => steps.wait(request),
  child: (request) => steps.child(request),
  branch: (kind, count) => steps.branch(kind, count),
  history: () => steps.history(),
  emit: (event) => steps.emit(event),
  log: (level, message, fields) => steps.log(level, message, fields),
  now: () => steps.now(),
  random: () => steps.random(),
  uuid: () => steps.uuid(),
});
