import { OpspawnError } from '@opspawn/agentkit/schema';

/** Primary result codes of SQLite (https://www.sqlite.org/rescode.html). */
const resultCodes = {
  busy: 5,
  locked: 6,
  noMemory: 7,
  readOnly: 8,
  inputOutput: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  protocol: 15,
  constraint: 19,
  notADatabase: 26,
} as const;

const lockedOut: readonly number[] = [resultCodes.busy, resultCodes.locked];
/** The database itself is at fault, whatever was written to it. */
const broken: readonly number[] = [
  resultCodes.noMemory,
  resultCodes.readOnly,
  resultCodes.inputOutput,
  resultCodes.corrupt,
  resultCodes.full,
  resultCodes.cannotOpen,
  resultCodes.protocol,
  resultCodes.notADatabase,
];

/** SQLite's primary result code; undefined for errors of anybody else. */
function resultCodeOf(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !('errcode' in thrown)) return undefined;
  return typeof thrown.errcode === 'number' ? thrown.errcode & 0xff : undefined;
}

const isOneOf = (thrown: unknown, codes: readonly number[]): boolean => {
  const code = resultCodeOf(thrown);
  return code !== undefined && codes.includes(code);
};

/** Another connection holds the lock: the same can succeed a moment later. */
export const isBusy = (thrown: unknown): boolean => isOneOf(thrown, lockedOut);
/** A full disk, a failing one, a read-only file: nothing can be written now, by anybody. */
export const isBroken = (thrown: unknown): boolean => isOneOf(thrown, broken);
/** A row with this key is there already. */
export const isDuplicate = (thrown: unknown): boolean => isOneOf(thrown, [resultCodes.constraint]);

/** The file is of another program. */
export const isForeign = (thrown: unknown): boolean => isOneOf(thrown, [resultCodes.notADatabase]);

export const databaseUnavailable = (cause: unknown): OpspawnError =>
  new OpspawnError(
    'unavailable',
    `The database cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause },
  );

export const databaseClosed = (): OpspawnError => new OpspawnError('unavailable', 'The store is closed');
