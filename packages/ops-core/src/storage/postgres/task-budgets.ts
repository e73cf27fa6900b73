import {
  type BudgetLimits,
  lostTokens,
  type ReservationAnswer,
  type TaskBudgetStore,
} from '../task-budgets.ts';
import { statement } from './connections.ts';
import type { Run } from './memories.ts';
import { toJsonText } from './text.ts';

const reserve = statement<[ReservationAnswer]>('reserve_budget', 'select reserve_budget($1::jsonb, $2)');
const settle = statement<[Required<BudgetLimits>]>('settle_budget', 'select settle_budget($1::jsonb)');
const release = statement(
  'release_budget',
  `update budget_steps set attempt = null, held_tokens = 0, held_cost = 0
   where budget_id = $1 and task_id = $2 and attempt is not null`,
);

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
  };
}
