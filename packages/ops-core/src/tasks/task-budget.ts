import { type Budget, type BudgetAmount, BudgetExceededError } from '@opspawn/agentkit';
import { z } from 'zod';
import type { ReservationAnswer, TaskBudgetState, TaskBudgetStore } from '../storage/parts/task-budgets.ts';
import type { ClaimedTask } from '../storage/store.ts';
import type { BudgetRun } from './durable/port.ts';

/** What a task and all below it may use; of a child, with the tasks above it whose budgets it draws from too. */
export const taskBudgetSchema = z.object({
  tokens: z.int().positive().optional(),
  costMicroUsd: z.int().positive().optional(),
  taskId: z.string().optional(),
  get above() {
    return taskBudgetSchema.optional();
  },
});
type TaskBudget = z.infer<typeof taskBudgetSchema>;
export type SharedBudget = TaskBudget & { taskId: string };

/**
 * The budget that a task draws from: its own, where it has one, within that of the nearest task above it which has one, as
 * the agents of one run of agentkit. Undefined where nothing is bounded.
 */
export function sharedBudget(
  taskId: string,
  given: TaskBudget | undefined,
  own: BudgetAmount = {},
): SharedBudget | undefined {
  const hasOwn = own.tokens !== undefined || own.costMicroUsd !== undefined;
  if (given === undefined) return hasOwn ? { ...own, taskId } : undefined;
  // asked for with the task itself, it stands in the place of what the definition says
  const { taskId: owner = taskId } = given;
  return hasOwn && owner !== taskId ? { ...own, taskId, above: given } : { ...given, taskId: owner };
}

/** The budget and those above it that it draws from, nearest first. */
export function budgetsOf(budget: SharedBudget): readonly SharedBudget[] {
  const { above } = budget;
  return above?.taskId === undefined ? [budget] : [budget, ...budgetsOf({ ...above, taskId: above.taskId })];
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

/** What one budget may give, and what is known to be used of it. */
interface Level {
  readonly budgetId: string;
  readonly most: BudgetAmount;
  used: Required<BudgetAmount>;
}

const limits = ['tokens', 'costMicroUsd'] as const;

const levelOf = ({ taskId, tokens, costMicroUsd }: SharedBudget): Level => ({
  budgetId: taskId,
  most: { ...(tokens !== undefined && { tokens }), ...(costMicroUsd !== undefined && { costMicroUsd }) },
  used: { tokens: 0, costMicroUsd: 0 },
});

/** A part of a budget in the store, and of those above it, for the steps of one attempt. */
export class StoreTaskBudget implements Budget {
  readonly #options: StoreTaskBudgetOptions;
  readonly #levels: readonly Level[];

  constructor(options: StoreTaskBudgetOptions) {
    this.#options = options;
    this.#levels = budgetsOf(options.budget).map(levelOf);
  }

  async reserve(step: string, asked: BudgetAmount): Promise<void> {
    const { run } = this.#options;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, lastPauseMs)) {
      const missing = await this.#reserveAll(step, asked);
      if (missing === undefined) return;
      const { level, answer } = missing;
      if (answer.outcome === 'exceeded') {
        const { limit = 'tokens' } = answer;
        throw new BudgetExceededError(limit, level.most[limit] ?? 0, level.used[limit], asked[limit]);
      }
      run.isWaiting();
      await pause(pauseMs * (0.5 + Math.random() / 2), run.signal);
    }
  }

  /** Of all budgets or of none. The first that does not give it, with what it says. */
  async #reserveAll(step: string, asked: BudgetAmount) {
    for (const [index, level] of this.#levels.entries()) {
      const answer = await this.#ask(level, step, asked);
      if (answer.outcome === 'held') continue;
      for (const held of this.#levels.slice(0, index)) await this.#ask(held, step, {});
      return { level, answer };
    }
    return undefined;
  }

  async settle(step: string, used: BudgetAmount): Promise<void> {
    const { store, task, untilAvailable } = this.#options;
    for (const level of this.#levels) {
      const said = { budgetId: level.budgetId, taskId: task.taskId, step, used };
      level.used = await untilAvailable(() => store.settle(said));
    }
  }

  /** As far as it is known here: others may have used more since. */
  remaining(): BudgetAmount {
    return Object.fromEntries(
      limits.flatMap((limit) => {
        const left = this.#levels.flatMap(({ most: { [limit]: most }, used }) =>
          most === undefined ? [] : [Math.max(0, most - used[limit])],
        );
        return left.length === 0 ? [] : [[limit, Math.min(...left)]];
      }),
    );
  }

  /** Nothing is known where the task has no budget of its own. */
  used(): BudgetAmount {
    const own = this.#levels.find(({ budgetId }) => budgetId === this.#options.task.taskId);
    return { ...own?.used };
  }

  async #ask(level: Level, step: string, asked: BudgetAmount): Promise<ReservationAnswer> {
    const { store, task, run, untilAvailable } = this.#options;
    const { taskId, attempt } = task;
    const { budgetId, most } = level;
    const answer = await untilAvailable(() => {
      run.isWaiting();
      return store.reserve({ budgetId, taskId, attempt, step, asked, most });
    });
    level.used = answer.used;
    return answer;
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
