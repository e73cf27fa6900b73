import { BudgetExceededError } from './errors.ts';
import type { Budget, BudgetAmount } from './steps.ts';

/** A budget that several runs of this process draw from. */
export interface MemoryBudget extends Budget {
  remaining(): BudgetAmount;
  /** Without a cost where that of a settled call is not known. */
  used(): BudgetAmount;
  /**
   * The same budget for another run, whose steps have names of their own, and which may use so much of it at most, with all
   * that is shared with others in turn. `release` gives back what it still holds.
   */
  share(name: string, atMost?: BudgetAmount): MemoryBudget & { release(): void };
}

const limits = ['tokens', 'costMicroUsd'] as const;
type Amount = Required<BudgetAmount>;

interface Ledger {
  readonly allowed: BudgetAmount;
  readonly held: Map<string, Amount>;
  readonly settled: Map<string, Amount>;
  /** What was settled without a cost. */
  readonly unpriced: Set<string>;
  readonly total: { held: Amount; settled: Amount };
}

interface View {
  /** That of the run, and those of all above it. */
  readonly ledgers: readonly [Ledger, ...Ledger[]];
  readonly prefix: string;
  /** Those that wait until others have settled, of all runs. */
  readonly waiting: (() => void)[];
}

/**
 * A budget of this process. Without an amount it only counts. A reservation that does not fit beside those of others
 * waits until they are settled; one that does not fit beside what was used is refused.
 */
export const memoryBudget = (allowed: BudgetAmount = {}): MemoryBudget =>
  viewOf({ ledgers: [ledgerOf(allowed)], prefix: '', waiting: [] });

function ledgerOf(allowed: BudgetAmount): Ledger {
  const none = (): Amount => ({ tokens: 0, costMicroUsd: 0 });
  return {
    allowed,
    held: new Map(),
    settled: new Map(),
    unpriced: new Set(),
    total: { held: none(), settled: none() },
  };
}

function viewOf(view: View): ReturnType<MemoryBudget['share']> {
  const { ledgers, prefix, waiting } = view;
  const putAll = (list: 'held' | 'settled', key: string, amount: BudgetAmount | undefined): void => {
    for (const ledger of ledgers) put(ledger, list, key, amount);
  };
  const wake = (): void => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  return {
    async reserve(step, amount) {
      const key = prefix + step;
      putAll('held', key, undefined);
      while (!ledgers.map((ledger) => fits(ledger, amount)).every(Boolean))
        await new Promise<void>((resolve) => waiting.push(resolve));
      putAll('held', key, amount);
    },
    async settle(step, used) {
      putAll('held', prefix + step, undefined);
      putAll('settled', prefix + step, used);
      wake();
    },
    remaining: () =>
      Object.fromEntries(
        limits.flatMap((limit) => {
          const left = ledgers.flatMap(({ allowed: { [limit]: most }, total }) =>
            most === undefined ? [] : [Math.max(0, most - total.settled[limit])],
          );
          return left.length === 0 ? [] : [[limit, Math.min(...left)]];
        }),
      ),
    used() {
      const { tokens, costMicroUsd } = ledgers[0].total.settled;
      return ledgers[0].unpriced.size > 0 ? { tokens } : { tokens, costMicroUsd };
    },
    share: (name, atMost = {}) =>
      viewOf({ ledgers: [ledgerOf(atMost), ...ledgers], prefix: `${prefix}${name}/`, waiting }),
    release() {
      for (const ledger of ledgers)
        for (const key of [...ledger.held.keys()])
          if (key.startsWith(prefix)) put(ledger, 'held', key, undefined);
      wake();
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
  if (list === 'settled') {
    if (amount?.tokens && amount.costMicroUsd === undefined) ledger.unpriced.add(key);
    else ledger.unpriced.delete(key);
  }
  if (amount === undefined) ledger[list].delete(key);
  else ledger[list].set(key, { tokens: 0, costMicroUsd: 0, ...amount });
}
