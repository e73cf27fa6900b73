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

export interface TaskBudgetStore {
  /** In the place of what the same step held. Holds nothing unless it says so. */
  reserve(reservation: Reservation): Promise<ReservationAnswer>;
  /** Puts what the step used in the place of what it held, and of what it was said to have used before. Gives what is used in all. */
  settle(step: BudgetStep & { used: BudgetLimits }): Promise<Required<BudgetLimits>>;
  /** Gives back what a task holds, whose attempt has ended in order. */
  release(budgetId: string, taskId: string): Promise<void>;
}
