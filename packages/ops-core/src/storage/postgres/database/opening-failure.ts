import { OpspawnError } from '@opspawn/agentkit/schema';
import { withoutPassword } from '../../../config.ts';
import { databaseAway, databaseRefused } from '../../refusals.ts';
import { messageOf, sqlStates, stateOf } from './failure.ts';

const rights =
  'The role needs CREATE on the database, and everything on the schemas "opspawn" and "opspawn_…" when another role owns them.';
export const notWritable =
  'Opspawn writes: name the primary server, not a replica, and a role and a database without default_transaction_read_only.';
const whereIsIt =
  'Is PostgreSQL running there, and reached from here? Check host and port in OPSPAWN_DATABASE_URL (or --database).';

/** By SQLSTATE or its class: what waiting does not mend. */
const hints: Readonly<Record<string, string>> = {
  [sqlStates.readOnly]: notWritable,
  [sqlStates.noRights]: rights,
  '28': 'Check user and password in OPSPAWN_DATABASE_URL (or --database), and the server’s pg_hba.conf.',
  '3D': 'Create the database, or check its name in OPSPAWN_DATABASE_URL (or --database).',
  '3F': rights,
  '42': rights,
  '08P01':
    'Something there does not speak as PostgreSQL does; poolers refuse parameters that they do not know.',
};

/** What only time or an operator mends: by SQLSTATE, or by the code of an error of Node. */
const waits: Readonly<Record<string, string>> = {
  ENOTFOUND: 'Nobody knows this host: check it in OPSPAWN_DATABASE_URL (or --database).',
  [sqlStates.tooManyConnections]:
    'Bound what each process of Opspawn opens by OPSPAWN_DATABASE_CONNECTIONS (14 by default), or raise max_connections.',
  '53100': 'Make room on the disk of the database.',
  '57014': 'Give the role or the database a longer statement_timeout, or none.',
  '57P03': 'It starts up or shuts down: try again in a moment.',
};

/** Why a database could not be opened: `config_invalid` for what waiting does not mend, else `unavailable`. */
export function openingFailure(url: string, cause: unknown): OpspawnError {
  if (cause instanceof OpspawnError) return cause;
  const refusal = { place: withoutPassword(url), reason: messageOf(cause), cause };
  const state = stateOf(cause);
  const hint = state === undefined ? undefined : (hints[state] ?? hints[state.slice(0, 2)]);
  if (hint !== undefined) return databaseRefused({ ...refusal, hint });
  if (isAboutTls(cause))
    return databaseRefused({ ...refusal, hint: 'Check sslmode, and the certificates, in the URL.' });
  const { code } = cause as { code?: unknown };
  return databaseAway({ ...refusal, hint: waits[String(code)] ?? whereIsIt });
}

/** Of pg, and of Node and OpenSSL. */
const isAboutTls = (cause: unknown): boolean =>
  cause instanceof Error &&
  (/SSL/.test(cause.message) ||
    /^(EPROTO|ERR_SSL_|ERR_TLS_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(
      String((cause as NodeJS.ErrnoException).code),
    ));
