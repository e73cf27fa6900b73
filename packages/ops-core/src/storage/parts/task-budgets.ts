/**
 * What a task and all below it may use together. A reservation belongs to a step of a task: it is made before the step's
 * model call and replaced by what the call used. What others have reserved is waited for, what was used is not.
 *
 * A reservation of an attempt that died is not known to have been used, nor not to have been. When the next attempt reserves
 * for the same step, it is booked as used up to `lostTokens`, the answer that is reckoned with where nobody says more: in
 * full it could be all that was left, and a killed run could never go on.
 */

export const lostTokens = 1_000;

export interface BudgetLimits {
  tokens?: number;
  /** 1,000,000 = 1 US dollar. */
  costMicroUsd?: number;
}

export interface BudgetStep {
  /** The task whose budget it is: its own or that of one above it. */
  budgetId: string;
  taskId: string;
  step: string;
}

export interface Reservation extends BudgetStep {
  attempt: number;
  most: BudgetLimits;
  asked: BudgetLimits;
}

export interface ReservationAnswer {
  /** `waits`: others hold what is missing. `exceeded`: it is used, and waiting helps nobody. */
  outcome: 'held' | 'waits' | 'exceeded';
  /** Of one that is not held. */
  limit?: keyof BudgetLimits;
  /** What is used for good. */
  used: Required<BudgetLimits>;
}

/** A budget as it stands. */
export interface TaskBudgetState {
  /** For good. */
  used: Required<BudgetLimits>;
  /** By whom the rest, or a part of it, is held for calls on the way: tasks that have not ended, who holds most first. */
  held: readonly (Required<BudgetLimits> & { taskId: string })[];
}

export type HeldColumns = [taskId: string, tokens: number, costMicroUsd: number];

export const toBudgetState = (
  [tokens, costMicroUsd]: [number, number] = [0, 0],
  held: readonly HeldColumns[],
): TaskBudgetState => ({
  used: { tokens, costMicroUsd },
  held: held.map(([taskId, heldTokens, heldCost]) => ({
    taskId,
    tokens: heldTokens,
    costMicroUsd: heldCost,
  })),
});

/** For both engines; $1 is the budget. */
export const budgetUsed = 'select tokens, cost_micro_usd from budgets where id = $1';
export const budgetHeld = `
  select task_id, cast(sum(held_tokens) as bigint) as tokens, sum(held_cost) from budget_steps
  where budget_id = $1 and attempt is not null and exists (select 1 from queue q where q.task_id = budget_steps.task_id)
  group by task_id order by tokens desc, task_id`;

export interface TaskBudgetStore {
  /** In the place of what the same step held. Holds nothing unless it says so. */
  reserve(reservation: Reservation): Promise<ReservationAnswer>;
  /** Puts what the step used in the place of what it held, and of what it was said to have used before. Gives what is used in all. */
  settle(step: BudgetStep & { used: BudgetLimits }): Promise<Required<BudgetLimits>>;
  /** Gives back what a task holds, whose attempt has ended in order. */
  release(budgetId: string, taskId: string): Promise<void>;
  /** Nothing used and held for one of which nobody has taken anything. */
  state(budgetId: string): Promise<TaskBudgetState>;
}
