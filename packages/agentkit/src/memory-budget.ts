import { BudgetExceededError } from './errors.ts';
import type { Budget, BudgetAmount } from './steps.ts';

/** A budget of this process. Without an amount it only counts. */
export function memoryBudget(allowed: BudgetAmount = {}): Budget {
  const held = new Map<string, BudgetAmount>();
  const total: Required<BudgetAmount> = { tokens: 0, costMicroUsd: 0 };
  const replace = (step: string, { tokens = 0, costMicroUsd = 0 }: BudgetAmount): void => {
    const before = held.get(step);
    total.tokens += tokens - (before?.tokens ?? 0);
    total.costMicroUsd += costMicroUsd - (before?.costMicroUsd ?? 0);
    held.set(step, { tokens, costMicroUsd });
  };
  return {
    async reserve(step, amount) {
      replace(step, {});
      for (const limit of ['tokens', 'costMicroUsd'] as const) {
        const most = allowed[limit];
        const asked = amount[limit] ?? 0;
        if (most !== undefined && total[limit] + asked > most) {
          throw new BudgetExceededError(limit, most, total[limit], asked);
        }
      }
      replace(step, amount);
    },
    async settle(step, used) {
      replace(step, used);
    },
  };
}
