import { type Budget, type BudgetAmount, BudgetExceededError } from '@opspawn/agentkit';
import { z } from 'zod';
import type { ReservationAnswer, TaskBudgetState, TaskBudgetStore } from '../storage/parts/task-budgets.ts';
import type { ClaimedTask } from '../storage/store.ts';
import type { BudgetRun } from './durable/port.ts';

/** What a task and all below it may use; of a child, with the task above it whose budget it is. */
export const taskBudgetSchema = z.object({
  tokens: z.int().positive().optional(),
  costMicroUsd: z.int().positive().optional(),
  taskId: z.string().optional(),
});
type TaskBudget = z.infer<typeof taskBudgetSchema>;
export type SharedBudget = TaskBudget & { taskId: string };

/**
 * The budget that a task draws from: that of the topmost task above it which has one, as all agents of one run of agentkit
 * share that of the first. Undefined where nothing is bounded.
 */
export function sharedBudget(
  taskId: string,
  given: TaskBudget | undefined,
  own: BudgetAmount | undefined,
): SharedBudget | undefined {
  if (given !== undefined) return { ...given, taskId: given.taskId ?? taskId };
  return own?.tokens === undefined && own?.costMicroUsd === undefined ? undefined : { ...own, taskId };
}

/** A budget that a task draws from, and how it stands. */
export interface BudgetStanding {
  budget: SharedBudget;
  state: TaskBudgetState;
}

/**
 * How the budget stands that a task draws from, nothing used or held when it draws from none. Bounds of an agent's definition are not
 * known to servers: then `budget` has none.
 */
export async function budgetStanding(
  store: TaskBudgetStore,
  taskId: string,
  given: TaskBudget | undefined,
): Promise<BudgetStanding> {
  const budget = { ...given, taskId: given?.taskId ?? taskId };
  return { budget, state: await store.state(budget.taskId) };
}

const firstPauseMs = 50;
const lastPauseMs = 1_000;

export interface StoreTaskBudgetOptions {
  store: TaskBudgetStore;
  task: Pick<ClaimedTask, 'taskId' | 'attempt'>;
  budget: SharedBudget;
  run: BudgetRun;
  /** Calls until the store answers. */
  untilAvailable<Result>(call: () => Promise<Result>): Promise<Result>;
}

/** A part of a budget in the store, for the steps of one attempt. */
export class StoreTaskBudget implements Budget {
  readonly #options: StoreTaskBudgetOptions;
  readonly #most: BudgetAmount;
  #used: Required<BudgetAmount> = { tokens: 0, costMicroUsd: 0 };

  constructor(options: StoreTaskBudgetOptions) {
    this.#options = options;
    const { tokens, costMicroUsd } = options.budget;
    this.#most = {
      ...(tokens === undefined ? {} : { tokens }),
      ...(costMicroUsd === undefined ? {} : { costMicroUsd }),
    };
  }

  async reserve(step: string, asked: BudgetAmount): Promise<void> {
    const { run } = this.#options;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, lastPauseMs)) {
      const answer = await this.#ask(step, asked);
      this.#used = answer.used;
      if (answer.outcome === 'held') return;
      if (answer.outcome === 'exceeded') throw this.#exceeded(answer, asked);
      run.isWaiting();
      await pause(pauseMs * (0.5 + Math.random() / 2), run.signal);
    }
  }

  async settle(step: string, used: BudgetAmount): Promise<void> {
    const { store, budget, task, untilAvailable } = this.#options;
    const said = { budgetId: budget.taskId, taskId: task.taskId, step, used };
    this.#used = await untilAvailable(() => store.settle(said));
  }

  /** As far as it is known here: others may have used more since. */
  remaining(): BudgetAmount {
    const { tokens, costMicroUsd } = this.#most;
    return {
      ...(tokens === undefined ? {} : { tokens: Math.max(0, tokens - this.#used.tokens) }),
      ...(costMicroUsd === undefined
        ? {}
        : { costMicroUsd: Math.max(0, costMicroUsd - this.#used.costMicroUsd) }),
    };
  }

  #ask(step: string, asked: BudgetAmount): Promise<ReservationAnswer> {
    const { store, budget, task, run, untilAvailable } = this.#options;
    const { taskId, attempt } = task;
    const reservation = { budgetId: budget.taskId, taskId, attempt, step, asked, most: this.#most };
    return untilAvailable(() => {
      run.isWaiting();
      return store.reserve(reservation);
    });
  }

  #exceeded({ limit = 'tokens', used }: ReservationAnswer, asked: BudgetAmount): BudgetExceededError {
    return new BudgetExceededError(limit, this.#most[limit] ?? 0, used[limit], asked[limit]);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}
