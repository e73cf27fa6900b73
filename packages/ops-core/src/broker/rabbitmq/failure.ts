import { OpspawnError } from '@opspawn/agentkit';
import { withoutPassword } from '../../config.ts';

/** Answers that trying again does not change. */
const refusals = new Set([
  'ACCESS_REFUSED',
  'NOT_ALLOWED',
  'VERSION_MISMATCH',
  'COMMAND_INVALID',
  'SYNTAX_ERROR',
  'UNEXPECTED_FRAME',
  'FRAME_ERROR',
  'NOT_AMQP',
]);
/** Errors of TLS and of certificates, as Node and OpenSSL name them. */
const tlsRefusal = /^(EPROTO|ERR_SSL_|ERR_TLS_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;
/** As in `write EPROTO 40…:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:…`. */
const openSslError = /:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/;

/** Whether a broker answered and will answer the same again; not that it could not be reached. */
export function isRefusal(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && (refusals.has(code) || tlsRefusal.test(code));
}

/** One line, without what the client puts before the broker's words, or OpenSSL around its reason. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  if (!(error instanceof Error)) return String(error);
  const [, reason] = openSslError.exec(error.message) ?? [];
  if (reason !== undefined) return `TLS failed, ${reason}`;
  return error.message.replace(/^(undefined|\w+): (?=[A-Z_]+ - )/, '').replace(/[.\s]+$/, '');
}

export const brokerRefused = (url: string, reason: string, cause?: unknown): OpspawnError =>
  new OpspawnError(
    'config_invalid',
    `The broker at ${withoutPassword(url)} refuses: ${reason}. Check OPSPAWN_BROKER_URL`,
    { cause, details: { variable: 'OPSPAWN_BROKER_URL' } },
  );
