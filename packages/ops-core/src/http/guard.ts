import { OpspawnError } from '@opspawn/sdk';
import type { FastifyRequest } from 'fastify';

const loopbackHost = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;

/**
 * Without keys, only programs of this host may ask, and no page of somebody else's in a browser of this host: a page
 * that had its name resolved to 127.0.0.1 shows in `Host`, one that sends from elsewhere in `Origin`. Throws
 * `permission_denied`.
 */
export function checkSameHost({ raw, headers }: FastifyRequest): void {
  const { host } = headers;
  const hosts = raw.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
  if (hosts.length > 1 || host === undefined || !loopbackHost.test(host)) {
    throw new OpspawnError(
      'permission_denied',
      'Host must be localhost, 127.0.0.1 or [::1]: keys are needed for others',
    );
  }
  const { origin } = headers;
  if (origin === undefined || isSameOrigin(origin, host)) return;
  throw new OpspawnError(
    'permission_denied',
    'Origin must be that of this server: pages of other sites may not call it',
  );
}

function isSameOrigin(origin: string, host: string): boolean {
  return origin.toLowerCase() === `http://${host.toLowerCase()}`;
}

/** Sent with every answer. The API shows nothing in a browser, so a browser may do nothing with it. */
export const securityHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

const loopbackAddress = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i;

/** Throws `config_invalid` for an address that others can reach. */
export function checkListenHost(host: string): void {
  if (loopbackAddress.test(host)) return;
  throw new OpspawnError(
    'config_invalid',
    `Opspawn does not listen on ${host}: without API keys everybody there could run tasks. Use 127.0.0.1, ::1 or localhost`,
    { details: { host } },
  );
}
