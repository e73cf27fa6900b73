import {
  type BudgetLimits,
  budgetHeld,
  budgetUsed,
  type HeldColumns,
  lostTokens,
  type ReservationAnswer,
  type TaskBudgetStore,
  toBudgetState,
} from '../../parts/task-budgets.ts';
import { type Run, statement } from '../database/connections.ts';
import { isUuid, toJsonText } from '../database/text.ts';

const reserve = statement<[ReservationAnswer]>('reserve_budget', 'select reserve_budget($1::jsonb, $2)');
const settle = statement<[Required<BudgetLimits>]>('settle_budget', 'select settle_budget($1::jsonb)');
const release = statement(
  'release_budget',
  `update budget_steps set attempt = null, held_tokens = 0, held_cost = 0
   where budget_id = $1 and task_id = $2 and attempt is not null`,
);

const usedOf = statement<[tokens: number, costMicroUsd: number]>('budget_used', budgetUsed);
const heldBy = statement<HeldColumns>('budget_held', budgetHeld);

export function openTaskBudgets(run: Run): TaskBudgetStore {
  return {
    async reserve(reservation) {
      const [row] = await run('writes', reserve, [toJsonText(reservation), lostTokens]);
      return (row as [ReservationAnswer])[0];
    },
    async settle(said) {
      const [row] = await run('writes', settle, [toJsonText(said)]);
      return (row as [Required<BudgetLimits>])[0];
    },
    async release(budgetId, taskId) {
      await run('writes', release, [budgetId, taskId]);
    },
    async state(budgetId) {
      if (!isUuid(budgetId)) return toBudgetState(undefined, []);
      const [used] = await run('reads', usedOf, [budgetId]);
      return toBudgetState(used, await run('reads', heldBy, [budgetId]));
    },
  };
}
