import { OpspawnError } from '@opspawn/agentkit/schema';
import pg from 'pg';

/** Of PostgreSQL (its manual, appendix A), and of functions/*.sql. */
export const sqlStates = {
  itemTaken: 'OP001',
  seqTaken: 'OP002',
  moved: 'OP003',
  invalidText: '22P02',
  readOnly: '25006',
  noDatabase: '3D000',
  noSchema: '3F000',
  noTable: '42P01',
  noFunction: '42883',
  noRights: '42501',
  diskFull: '53100',
  tooManyConnections: '53300',
} as const;

/** Classes: connection, insufficient resources (a full disk too), operator intervention, system error. */
const awayClasses: readonly string[] = ['08', '53', '57', '58'];
/** Serialisation failure, deadlock, lock not available: the same can succeed at once. */
const passingStates: readonly string[] = ['40001', '40P01', '55P03'];
/**
 * What was there when the store was opened: it is being restored, was dropped or renamed, or somebody changed the role's
 * rights. None of it is the statement's fault.
 */
const lostStates: readonly string[] = [
  sqlStates.readOnly,
  sqlStates.noDatabase,
  sqlStates.noSchema,
  sqlStates.noTable,
  sqlStates.noFunction,
  sqlStates.noRights,
];

export const stateOf = (thrown: unknown): string | undefined =>
  thrown instanceof pg.DatabaseError ? (thrown.code ?? '') : undefined;

/** Errors of sessions that did not begin. */
const ofConnecting = new WeakSet<Error>();

/**
 * Marks what failed before a session had begun as `isAway`, whatever the server calls it: on a full disk it "could not
 * write init file", with the state of an internal error.
 */
export function atConnecting(error: Error): Error {
  ofConnecting.add(error);
  return error;
}

/**
 * The database cannot be reached or cannot write now, whatever was written; whether it did is unknown. What is not said
 * by the server itself is about the way to it.
 */
export function isAway(thrown: unknown): boolean {
  if (thrown instanceof OpspawnError) return false;
  const state = stateOf(thrown);
  if (state === undefined || ofConnecting.has(thrown as Error)) return true;
  return lostStates.includes(state) || state.startsWith('28') || awayClasses.includes(state.slice(0, 2));
}

/** There was no room for what this write adds; others may find some. */
export const isDiskFull = (thrown: unknown): boolean => stateOf(thrown) === sqlStates.diskFull;

export const isPassing = (thrown: unknown): boolean => passingStates.includes(stateOf(thrown) ?? '');

export const messageOf = (thrown: unknown): string => {
  // Node gathers what it tried at several addresses.
  if (thrown instanceof AggregateError && thrown.message === '')
    return thrown.errors.map((error) => messageOf(error)).join('; ');
  return thrown instanceof Error ? thrown.message : String(thrown);
};

const retryAfterMs = 1000;

export const databaseUnavailable = (cause: unknown): OpspawnError =>
  new OpspawnError('unavailable', `The database cannot be used: ${messageOf(cause)}`, {
    cause,
    retryAfterMs,
  });

export const databaseClosed = (): OpspawnError => new OpspawnError('unavailable', 'The store is closed');

/** What a single write that the database refused is answered. */
export function refusalOf(thrown: unknown): OpspawnError {
  if (thrown instanceof OpspawnError) return thrown;
  const state = stateOf(thrown);
  if (state === sqlStates.moved) return databaseUnavailable(thrown);
  if (state === sqlStates.itemTaken || state === sqlStates.invalidText)
    return new OpspawnError('invalid_argument', messageOf(thrown), { cause: thrown });
  if (state === sqlStates.seqTaken)
    return new OpspawnError('internal', messageOf(thrown), { cause: thrown, retryable: false });
  return new OpspawnError('internal', `The database refused a write: ${messageOf(thrown)}`, {
    cause: thrown,
  });
}
