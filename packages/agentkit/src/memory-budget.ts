import { BudgetExceededError } from './errors.ts';
import type { Budget, BudgetAmount } from './steps.ts';

/** A budget that several runs of this process draw from. */
export interface MemoryBudget extends Budget {
  remaining(): BudgetAmount;
  /** The same budget for another run, whose steps have names of their own. `release` gives back what it still holds. */
  share(name: string): MemoryBudget & { release(): void };
}

const limits = ['tokens', 'costMicroUsd'] as const;
type Amount = Required<BudgetAmount>;

interface Ledger {
  readonly allowed: BudgetAmount;
  readonly held: Map<string, Amount>;
  readonly settled: Map<string, Amount>;
  readonly total: { held: Amount; settled: Amount };
  /** Those that wait until others have settled. */
  waiting: (() => void)[];
}

/**
 * A budget of this process. Without an amount it only counts. A reservation that does not fit beside those of others
 * waits until they are settled; one that does not fit beside what was used is refused.
 */
export function memoryBudget(allowed: BudgetAmount = {}): MemoryBudget {
  const none = (): Amount => ({ tokens: 0, costMicroUsd: 0 });
  const total = { held: none(), settled: none() };
  return viewOf({ allowed, held: new Map(), settled: new Map(), total, waiting: [] }, '');
}

function viewOf(ledger: Ledger, prefix: string): ReturnType<MemoryBudget['share']> {
  const { allowed, total } = ledger;
  return {
    async reserve(step, amount) {
      const key = prefix + step;
      put(ledger, 'held', key, undefined);
      while (!fits(ledger, amount)) await new Promise<void>((resolve) => ledger.waiting.push(resolve));
      put(ledger, 'held', key, amount);
    },
    async settle(step, used) {
      put(ledger, 'held', prefix + step, undefined);
      put(ledger, 'settled', prefix + step, used);
      wake(ledger);
    },
    remaining: () =>
      Object.fromEntries(
        limits.flatMap((limit) => {
          const most = allowed[limit];
          return most === undefined ? [] : [[limit, Math.max(0, most - total.settled[limit])]];
        }),
      ),
    share: (name) => viewOf(ledger, `${prefix}${name}/`),
    release() {
      for (const key of [...ledger.held.keys()])
        if (key.startsWith(prefix)) put(ledger, 'held', key, undefined);
      wake(ledger);
    },
  };
}

/** Throws `BudgetExceededError` when it will never fit. Fractions of a micro-dollar pass: amounts are rounded up. */
function fits({ allowed, total }: Ledger, amount: BudgetAmount): boolean {
  return limits.every((limit) => {
    const most = allowed[limit];
    const asked = amount[limit] ?? 0;
    if (most === undefined) return true;
    const used = total.settled[limit];
    if (Math.floor(used) + asked > most) throw new BudgetExceededError(limit, most, used, asked);
    return Math.floor(used) + total.held[limit] + asked <= most;
  });
}

function put(ledger: Ledger, list: 'held' | 'settled', key: string, amount: BudgetAmount | undefined): void {
  const before = ledger[list].get(key);
  for (const limit of limits) ledger.total[list][limit] += (amount?.[limit] ?? 0) - (before?.[limit] ?? 0);
  if (amount === undefined) ledger[list].delete(key);
  else ledger[list].set(key, { tokens: 0, costMicroUsd: 0, ...amount });
}

function wake(ledger: Ledger): void {
  for (const resolve of ledger.waiting.splice(0)) resolve();
}
