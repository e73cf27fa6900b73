import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type {
  AgentEvent,
  BranchSet,
  Budget,
  ChildRequest,
  Json,
  LogLevel,
  StepContext,
  StepOptions,
  StepRecord,
  Steps,
  WaitRequest,
} from '@opspawn/agentkit';
import { ambient } from './ambient.ts';
import type { Branch } from './branch.ts';
import { DrawnNumbers } from './drawn-numbers.ts';
import type { DurableRun } from './durable-run.ts';
import { identityLabel } from './identity.ts';
import type { EntryOwner } from './journal-writer.ts';
import type { StepWork } from './request.ts';
import { nestedStep } from './run-errors.ts';

const unlimited: Budget = { reserve: () => Promise.resolve(), settle: () => Promise.resolve() };

/** The seam to durability over a task's journal: what functions, workflows and agents ask goes to the run. */
export class DurableSteps implements Steps {
  readonly budget: Budget;
  readonly #run: DurableRun;
  /** A function that folds its history draws other numbers in every attempt: it does not draw the first ones again. */
  readonly #seed: string;

  constructor(run: DurableRun) {
    this.#run = run;
    this.budget =
      run.options.budget?.({
        get signal() {
          return run.signal;
        },
        isWaiting: () => run.bell.ring(),
      }) ?? unlimited;
    this.#seed = run.options.mode === 'replay' ? run.taskId : `${run.taskId}@${run.port.lastSeq}`;
  }

  get taskId(): string {
    return this.#run.taskId;
  }

  get namespace(): string {
    return this.#run.port.namespace;
  }

  get signal(): AbortSignal {
    return this.#run.signal;
  }

  run<T>(name: string, fn: (step: StepContext) => T | Promise<T>, options: StepOptions<T> = {}): Promise<T> {
    // The result is what JSON makes of T; the callers' types say so.
    const work: StepWork = {
      type: 'step',
      name,
      fn,
      options,
      inCallersContext: AsyncLocalStorage.snapshot(),
    };
    return this.#run.ask(work) as Promise<T>;
  }

  wait(request: WaitRequest): Promise<Json | undefined> {
    return this.#run.ask({ type: 'wait', request }) as Promise<Json | undefined>;
  }

  child(request: ChildRequest): Promise<Json | undefined> {
    return this.#run.ask({ type: 'child', request }) as Promise<Json | undefined>;
  }

  branch(kind: 'all' | 'map' | 'race', count: number): BranchSet {
    const run = this.#run;
    const { branch, step } = this.#scope();
    if (step !== undefined) throw nestedStep(identityLabel(step.identity), kind);
    const branches = branch.split(kind, count);
    return {
      run: (index, fn) => {
        const inside = branches[index];
        if (inside === undefined) throw new RangeError(`There is no branch ${index} of ${count}`);
        return ambient.run({ run, branch: inside, step: undefined }, async () => fn());
      },
      close: () => run.closeBranches(branches),
    };
  }

  /** Empty for a replayed function: it asks again for all that is recorded. */
  history(): readonly StepRecord[] {
    return this.#run.history;
  }

  emit(event: AgentEvent): void {
    this.#run.emit(event);
  }

  log(level: LogLevel, message: string, fields?: Record<string, Json>): void {
    const { branch, step } = this.#scope();
    this.#run.log(branch, step, level, message, fields);
  }

  now(): number {
    return this.#run.time;
  }

  random(): number {
    return this.#numbers()?.random() ?? Math.random();
  }

  uuid(): string {
    return this.#numbers()?.uuid() ?? randomUUID();
  }

  /** Undefined inside a step: its code is not run again, so what it draws must not count. */
  #numbers(): DrawnNumbers | undefined {
    const { branch, step } = this.#scope();
    if (step !== undefined) return undefined;
    branch.numbers ??= new DrawnNumbers(`${this.#seed}/${branch.path}`);
    return branch.numbers;
  }

  #scope(): { branch: Branch; step: EntryOwner | undefined } {
    const scope = ambient.getStore();
    return scope?.run === this.#run ? scope : { branch: this.#run.root, step: undefined };
  }
}
