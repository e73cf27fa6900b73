import type { Turn } from '../../turn.ts';

/** A piece of work within a transaction. What it throws undoes it and leaves the rest of the transaction as it is. */
export type Operation<Argument, Result> = (turn: Turn, argument: Argument) => Result;

/** How a part of the store writes, together with what else is written in that turn, and how it reads. */
export interface StoreAccess {
  write<Argument, Result>(operation: Operation<Argument, Result>, argument: Argument): Promise<Result>;
  read<Result>(read: () => Result): Promise<Result>;
  /** Unix ms by the store's clock. */
  now(): number;
}
