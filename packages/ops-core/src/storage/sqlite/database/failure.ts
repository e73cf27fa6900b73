import { OpspawnError } from '@opspawn/agentkit/schema';
import { databaseAway, databaseRefused } from '../../refusals.ts';

/** Primary result codes of SQLite (https://www.sqlite.org/rescode.html). */
const resultCodes = {
  permission: 3,
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

/** Extended: what a trigger of ours raises. */
const constraintTrigger = 1811;

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
/** The data was moved to another database (moved.ts). */
const isMoved = (thrown: unknown): boolean =>
  thrown instanceof Error && 'errcode' in thrown && thrown.errcode === constraintTrigger;

/** A row with this key is there already. */
export const isDuplicate = (thrown: unknown): boolean =>
  isOneOf(thrown, [resultCodes.constraint]) && !isMoved(thrown);

export const messageOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown);

export const databaseUnavailable = (cause: unknown): OpspawnError =>
  cause instanceof OpspawnError
    ? cause
    : new OpspawnError('unavailable', `The database cannot be used: ${messageOf(cause)}`, { cause });

/** What a single write that the database refused is answered. */
export function refusalOf(thrown: unknown): OpspawnError {
  if (thrown instanceof OpspawnError) return thrown;
  if (isMoved(thrown)) return databaseUnavailable(thrown);
  return new OpspawnError('internal', `The database refused a write: ${messageOf(thrown)}`, {
    cause: thrown,
  });
}

export const databaseClosed = (): OpspawnError => new OpspawnError('unavailable', 'The store is closed');

/** What opening says of a file, or of the log beside it: by SQLite's result code or the system's error code. */
const hints: readonly [codes: readonly (number | string)[], hint: string][] = [
  [
    [resultCodes.readOnly, resultCodes.permission, 'EROFS', 'EACCES', 'EPERM'],
    'Opspawn writes to the file and beside it: give this user the right to, on a file system that is not mounted read-only.',
  ],
  [
    [resultCodes.cannotOpen, 'ENOTDIR', 'EISDIR', 'ENOENT', 'EEXIST'],
    'It must be a file, or not be there yet, in a folder that this user may read and write.',
  ],
  [
    [resultCodes.notADatabase],
    'It is a file of another program, or encrypted: name another folder (--data) or file.',
  ],
  [
    [resultCodes.corrupt],
    'The file is damaged. Restore a backup of it; with none, see https://sqlite.org/recovery.html.',
  ],
];

/** Why a file could not be opened, as openSqliteStore says it. */
export function openingFailure(path: string, cause: unknown): OpspawnError {
  if (cause instanceof OpspawnError) return cause;
  const code = resultCodeOf(cause) ?? (cause as NodeJS.ErrnoException).code ?? '';
  const hint = hints.find(([codes]) => codes.includes(code))?.[1];
  const refusal = { place: path, reason: messageOf(cause), cause };
  if (hint !== undefined) return databaseRefused({ ...refusal, hint });
  return databaseAway({
    ...refusal,
    hint: 'Is the disk full, or failing, or does another process hold the file?',
  });
}
