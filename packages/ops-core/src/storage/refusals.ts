/** Why a database is not used, whatever its engine. `details.hint` is a sentence that says what to do. */
import { type ErrorCode, OpspawnError } from '@opspawn/agentkit/schema';
import type { Moved } from './status.ts';

interface Refusal {
  /** Where the database is, without a password. */
  readonly place: string;
  readonly reason: string;
  readonly hint: string;
  readonly cause?: unknown;
}

const refused = (code: ErrorCode, { place, reason, hint, cause }: Refusal): OpspawnError =>
  new OpspawnError(code, `The database ${place} cannot be used: ${reason}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { hint },
  });

/** `config_invalid`: somebody has to change something. */
export const databaseRefused = (refusal: Refusal): OpspawnError => refused('config_invalid', refusal);

/** `unavailable`: waiting may mend it. */
export const databaseAway = (refusal: Refusal): OpspawnError => refused('unavailable', refusal);

export const schemaTooNew = (version: number, known: number): OpspawnError =>
  new OpspawnError(
    'schema_too_new',
    `The database has schema ${version}, and this version of Opspawn knows schemas up to ${known}`,
    {
      details: {
        version,
        known,
        hint: 'Install the version of Opspawn that wrote it, or a later one: a schema never goes back.',
      },
    },
  );

/** What a process hears that has it open still. */
export const movedWhileOpen =
  'The data of this database was moved to another: start this process anew with that one in OPSPAWN_DATABASE_URL';

/** Of `opspawn db copy`. */
export const movedAway = ({ at, to }: Moved): OpspawnError =>
  new OpspawnError('config_invalid', `The data of this database was moved to ${to} at ${at}`, {
    details: { movedTo: to, hint: 'Point OPSPAWN_DATABASE_URL (or --database) there.' },
  });
