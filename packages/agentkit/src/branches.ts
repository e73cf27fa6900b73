import { AsyncLocalStorage } from 'node:async_hooks';
import { OpspawnError } from './errors.ts';
import type { BranchSet } from './steps.ts';

/** One line of execution within a run. Steps are counted by name within their branch. */
export interface Branch {
  /** `` for the root, otherwise `PARENT/KIND#N/INDEX`: for reading, not for taking apart. */
  readonly id: string;
  /** Aborts with the run, and when the branch is closed. */
  readonly signal: AbortSignal;
  isClosed(): boolean;
  /** The next number, from 1, under this name in this branch. */
  count(name: string): number;
}

interface Place {
  branch: Branch;
  /** Name of the step whose function is running. */
  step?: string;
}

/** Knows in which branch of a run the code that asks stands. */
export class Branches {
  readonly #places = new AsyncLocalStorage<Place>();
  readonly #root: Branch;

  constructor(signal: AbortSignal) {
    this.#root = createBranch('', signal, () => false);
  }

  /** The branch of the caller. Throws `nested_step` within a step: only the outer one can be recorded. */
  enter(asked: string): Branch {
    const { branch, step } = this.#places.getStore() ?? { branch: this.#root };
    if (step === undefined) return branch;
    throw new OpspawnError('nested_step', `${asked} was asked for within the step ${step}`, {
      details: { step, asked },
    });
  }

  /** Runs the function of a step. */
  within<T>(branch: Branch, step: string, fn: () => T): T {
    return this.#places.run({ branch, step }, fn);
  }

  open(kind: string, size: number): BranchSet {
    const parent = this.enter(kind);
    const set = `${parent.id}/${kind}#${parent.count(`${kind}#`)}`;
    const controller = new AbortController();
    const signal = AbortSignal.any([parent.signal, controller.signal]);
    const isClosed = (): boolean => controller.signal.aborted || parent.isClosed();
    const branches = Array.from({ length: size }, (_, index) =>
      createBranch(`${set}/${index}`, signal, isClosed),
    );
    return {
      run: async (index, fn) => {
        const branch = branches[index];
        if (branch === undefined) {
          throw new OpspawnError('invalid_argument', `Branch ${index} of ${size} does not exist`);
        }
        return this.#places.run({ branch }, fn);
      },
      close: () => controller.abort(new OpspawnError('cancelled', `The branches ${set} were closed`)),
    };
  }
}

function createBranch(id: string, signal: AbortSignal, isClosed: () => boolean): Branch {
  const counts = new Map<string, number>();
  return {
    id,
    signal,
    isClosed,
    count(name) {
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      return count;
    },
  };
}
