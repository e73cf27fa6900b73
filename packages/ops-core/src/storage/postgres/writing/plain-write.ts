import type { Turn } from '../../turn.ts';
import type { Statement } from '../database/connections.ts';

/**
 * Writes of one kind that depend on nothing but their own task: one statement does as many as there are. It does a
 * write wholly or not at all; what it did not do (refused, repeated, not plain after all) `write_all` answers.
 */
export interface PlainWrite<Item, Result, Row> {
  /** Gives one row. */
  statement(items: readonly Item[]): Statement<Row>;
  /** One order of locks for all transactions. */
  sort(a: Item, b: Item): number;
  /** `floor`: see `StoreClock`. Throws `invalid_argument` and `payload_too_large`. */
  encode(items: readonly Item[], floor: number): unknown[];
  /** The results of what was done, undefined for the rest; tells the turn. */
  answer(row: Row, items: readonly Item[], turn: Turn): readonly (Result | undefined)[];
  /** Time of the transaction, Unix ms. */
  atOf(row: Row): number;
}
