import type { DatabaseSync } from 'node:sqlite';
import {
  type BudgetLimits,
  type BudgetStep,
  budgetHeld,
  budgetUsed,
  type HeldColumns,
  lostTokens,
  type Reservation,
  type ReservationAnswer,
  type TaskBudgetStore,
  toBudgetState,
} from '../../parts/task-budgets.ts';
import { prepare } from '../database/statement.ts';
import type { Operation, StoreAccess } from '../writing/store-access.ts';

type Amount = [tokens: number, costMicroUsd: number];
type Step = [budgetId: string, taskId: string, step: string];
type Own = [
  attempt: number | null,
  heldTokens: number,
  heldCost: number,
  usedTokens: number,
  usedCost: number,
];

export function openTaskBudgets(database: DatabaseSync, { write, read }: StoreAccess): TaskBudgetStore {
  const parts = prepareParts(database);
  const reserve = prepareReserve(parts);
  const settle: Operation<BudgetStep & { used: BudgetLimits }, Required<BudgetLimits>> = (_turn, said) => {
    const { budgetId, taskId, step, used } = said;
    const { tokens = 0, costMicroUsd = 0 } = used;
    parts.open.get(budgetId);
    const [, , , usedTokens, usedCost] = parts.own.get(budgetId, taskId, step) ?? [null, 0, 0, 0, 0];
    const sum = parts.book.get(budgetId, tokens - usedTokens, costMicroUsd - usedCost) ?? [0, 0];
    parts.put.get(budgetId, taskId, step, null, 0, 0, tokens, costMicroUsd);
    return { tokens: sum[0], costMicroUsd: sum[1] };
  };
  const release: Operation<[string, string], void> = (_turn, [budgetId, taskId]) => {
    parts.release.get(budgetId, taskId);
  };
  return {
    reserve: (reservation) => write(reserve, reservation),
    settle: (said) => write(settle, said),
    release: (budgetId, taskId) => write(release, [budgetId, taskId]),
    state: (budgetId) => read(() => toBudgetState(parts.usedOf.get(budgetId), parts.heldBy.all(budgetId))),
  };
}

function prepareParts(database: DatabaseSync) {
  const nothingHeld = 'attempt = null, held_tokens = 0, held_cost = 0';
  return {
    open: prepare<[string]>(
      database,
      'insert into budgets (id, tokens, cost_micro_usd) values (?1, 0, 0) on conflict do nothing',
    ),
    book: prepare<[string, ...Amount], Amount>(
      database,
      `update budgets set tokens = tokens + ?2, cost_micro_usd = cost_micro_usd + ?3 where id = ?1
       returning tokens, cost_micro_usd`,
    ),
    own: prepare<Step, Own>(
      database,
      `select attempt, held_tokens, held_cost, used_tokens, used_cost from budget_steps
       where budget_id = ?1 and task_id = ?2 and step = ?3`,
    ),
    /** What the step held, and what tasks hold that have ended. */
    letGo: prepare<Step>(
      database,
      `update budget_steps set ${nothingHeld} where budget_id = ?1 and attempt is not null
         and (task_id = ?2 and step = ?3 or not exists (select 1 from queue q where q.task_id = budget_steps.task_id))`,
    ),
    held: prepare<[string], Amount>(
      database,
      `select coalesce(sum(held_tokens), 0), coalesce(sum(held_cost), 0) from budget_steps
       where budget_id = ?1 and attempt is not null`,
    ),
    hold: prepare<[...Step, attempt: number, ...Amount]>(
      database,
      `insert into budget_steps (budget_id, task_id, step, attempt, held_tokens, held_cost, used_tokens, used_cost)
       values (?1, ?2, ?3, ?4, ?5, ?6, 0, 0)
       on conflict do update set attempt = excluded.attempt, held_tokens = excluded.held_tokens,
         held_cost = excluded.held_cost`,
    ),
    put: prepare<[...Step, attempt: null, ...Amount, ...Amount]>(
      database,
      `insert into budget_steps (budget_id, task_id, step, attempt, held_tokens, held_cost, used_tokens, used_cost)
       values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
       on conflict do update set ${nothingHeld}, used_tokens = excluded.used_tokens, used_cost = excluded.used_cost`,
    ),
    usedOf: prepare<[string], Amount>(database, budgetUsed.replace('$1', '?1')),
    heldBy: prepare<[string], HeldColumns>(database, budgetHeld.replace('$1', '?1')),
    release: prepare<[string, string]>(
      database,
      `update budget_steps set ${nothingHeld} where budget_id = ?1 and task_id = ?2 and attempt is not null`,
    ),
  };
}

function prepareReserve(parts: ReturnType<typeof prepareParts>): Operation<Reservation, ReservationAnswer> {
  return (_turn, { budgetId, taskId, step, attempt, most, asked }) => {
    parts.open.get(budgetId);
    const [ownAttempt, heldTokens, heldCost] = parts.own.get(budgetId, taskId, step) ?? [null, 0, 0];
    const isLost = ownAttempt !== null && ownAttempt < attempt;
    const share = isLost ? Math.min(1, lostTokens / Math.max(heldTokens, 1)) : 0;
    const lost = isLost ? Math.min(heldTokens, lostTokens) : 0;
    const [tokens, costMicroUsd] = parts.book.get(budgetId, lost, heldCost * share) ?? [0, 0];
    parts.letGo.get(budgetId, taskId, step);
    const used = { tokens, costMicroUsd };
    const [tokensOfOthers, costOfOthers] = parts.held.get(budgetId) ?? [0, 0];
    const none = { tokens: 0, costMicroUsd: 0 };
    const exceeded = overLimit(most, used, none, asked);
    if (exceeded !== undefined) return { outcome: 'exceeded', limit: exceeded, used };
    const others = { tokens: tokensOfOthers, costMicroUsd: costOfOthers };
    const missing = overLimit(most, used, others, asked);
    if (missing !== undefined) return { outcome: 'waits', limit: missing, used };
    parts.hold.get(budgetId, taskId, step, attempt, asked.tokens ?? 0, asked.costMicroUsd ?? 0);
    return { outcome: 'held', used };
  };
}

/** Fractions of a micro-dollar pass: amounts are rounded up. */
function overLimit(
  most: BudgetLimits,
  used: Required<BudgetLimits>,
  held: Required<BudgetLimits>,
  asked: BudgetLimits,
): keyof BudgetLimits | undefined {
  return (['tokens', 'costMicroUsd'] as const).find(
    (limit) => Math.floor(used[limit]) + held[limit] + (asked[limit] ?? 0) > (most[limit] ?? Infinity),
  );
}
