/**
 * Moves all that one database holds into an empty one, of the same engine or the other. All or nothing: the target's rows
 * are there when all of them were written, counted and compared. Meanwhile nobody writes to either, and afterwards nobody
 * to the source, so that nothing can be accepted where it would be lost.
 */
import { createHash } from 'node:crypto';
import { OpspawnError } from '@opspawn/agentkit/schema';
import { queueState } from '../domain/task-state.ts';

/** As both engines can write it down; a truth value is 0 or 1. */
export type CopiedValue = string | number | null;
export type CopiedRow = readonly CopiedValue[];

/** One database, within a transaction that keeps others from writing. Disposing it without `commit` undoes all. */
export interface CopyEnd extends AsyncDisposable {
  /** What is copied: tables and their columns, in any order. Not how the engine keeps big values, nor its workers. */
  readonly tables: ReadonlyMap<string, readonly string[]>;
  /** Columns that only this engine has, as `table.column`, and that nobody misses. */
  readonly ownColumns: ReadonlySet<string>;
  /** Workers whose lease holds. */
  liveWorkers(): Promise<number>;
  isEmpty(): Promise<boolean>;
  /** Some rows at a time, in any order. */
  read(table: string, columns: readonly string[]): AsyncIterable<readonly CopiedRow[]>;
  insert(table: string, columns: readonly string[], rows: readonly CopiedRow[]): Promise<void>;
  /** Has every later write of anybody refused, with a word on where the data went. */
  retire(movedTo: string): Promise<void>;
  commit(): Promise<void>;
}

export interface CopyOptions {
  /** What the source says from then on; absent: it stays as it is, and both go their own ways. */
  movedTo?: string;
  onTable?: (table: string, rows: number) => void;
}

/**
 * Throws `wrong_state` when workers live on the source or the target is not empty, and `internal` when the target does not
 * hold what was read. Gives the number of rows by table.
 */
export async function copyStore(
  source: CopyEnd,
  target: CopyEnd,
  { movedTo, onTable }: CopyOptions = {},
): Promise<ReadonlyMap<string, number>> {
  await checkEnds(source, target);
  const sums = new Map<string, Sum>();
  for (const [table, columns] of sharedColumns(source, target)) {
    const sum = new Sum();
    for await (const rows of source.read(table, columns)) {
      const copied = table === 'queue' ? rows.map((row) => withoutOwner(columns, row)) : rows;
      sum.add(copied);
      for (const part of partsOf(copied)) await target.insert(table, columns, part);
    }
    sums.set(table, sum);
    onTable?.(table, sum.rows);
  }
  for (const [table, columns] of sharedColumns(source, target)) {
    const sum = new Sum();
    for await (const rows of target.read(table, columns)) sum.add(rows);
    if (sum.text !== sums.get(table)?.text) throw differs(table, sums.get(table), sum);
  }
  await target.commit();
  if (movedTo !== undefined) {
    await source.retire(movedTo);
    await source.commit();
  }
  return new Map([...sums].map(([table, { rows }]) => [table, rows]));
}

async function checkEnds(source: CopyEnd, target: CopyEnd): Promise<void> {
  const workers = await source.liveWorkers();
  if (workers > 0)
    throw new OpspawnError(
      'wrong_state',
      `${workers === 1 ? '1 worker lives' : `${workers} workers live`} on the source: stop ${workers === 1 ? 'it' : 'them'} first`,
      {
        details: { workers },
      },
    );
  if (!(await target.isEmpty()))
    throw new OpspawnError('wrong_state', 'The target is not empty: give an empty database');
}

/** Every table with the columns of both. A table or column of one alone must be known to be of no use to the other. */
function sharedColumns(source: CopyEnd, target: CopyEnd): Map<string, readonly string[]> {
  const names = new Set([...source.tables.keys(), ...target.tables.keys()]);
  return new Map(
    [...names].sort().map((table) => {
      const from = source.tables.get(table) ?? [];
      const to = target.tables.get(table) ?? [];
      const missing = [
        ...from.filter((column) => !to.includes(column) && !source.ownColumns.has(`${table}.${column}`)),
        ...to.filter((column) => !from.includes(column) && !target.ownColumns.has(`${table}.${column}`)),
      ];
      if (missing.length > 0)
        throw new OpspawnError(
          'internal',
          `${table} cannot be copied: ${missing.join(', ')} is in one database only`,
        );
      return [table, from.filter((column) => to.includes(column)).sort()];
    }),
  );
}

/** Workers stay behind: what one of them held when it died is ready for anybody. */
function withoutOwner(columns: readonly string[], row: CopiedRow): CopiedRow {
  if (row[columns.indexOf('state')] !== queueState.running) return row;
  return row.map((value, index) => {
    switch (columns[index]) {
      case 'state':
        return queueState.ready;
      case 'worker_id':
      case 'deadline_at':
        return null;
      default:
        return value;
    }
  });
}

/** In UTF-16 units. */
const maxPartLength = 4 * 1024 * 1024;

/** Rows that one statement can well take: a big one goes alone. */
function* partsOf(rows: readonly CopiedRow[]): Generator<readonly CopiedRow[]> {
  let part: CopiedRow[] = [];
  let length = 0;
  for (const row of rows) {
    const rowLength = row.reduce<number>(
      (sum, value) => sum + (typeof value === 'string' ? value.length : 8),
      0,
    );
    if (part.length > 0 && length + rowLength > maxPartLength) {
      yield part;
      part = [];
      length = 0;
    }
    part.push(row);
    length += rowLength;
  }
  if (part.length > 0) yield part;
}

const sumBits = 128;

/** Of rows in whatever order. */
class Sum {
  rows = 0;
  #sum = 0n;

  add(rows: readonly CopiedRow[]): void {
    for (const row of rows) {
      const digest = createHash('sha256').update(JSON.stringify(row)).digest('hex');
      this.#sum = BigInt.asUintN(sumBits, this.#sum + BigInt(`0x${digest.slice(0, 32)}`));
    }
    this.rows += rows.length;
  }

  get text(): string {
    return `${this.rows} rows, ${this.#sum.toString(16)}`;
  }
}

const differs = (table: string, read: Sum | undefined, written: Sum): OpspawnError =>
  new OpspawnError('internal', `${table} is not in the target as it is in the source: nothing was kept`, {
    details: { table, read: read?.text, written: written.text },
  });
