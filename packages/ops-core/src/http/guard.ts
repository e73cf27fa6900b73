import { OpspawnError } from '@opspawn/sdk';
import type { FastifyRequest } from 'fastify';

const loopbackHost = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;

export interface Guarded {
  isKeyed: boolean;
  /** Under which names others call it, in lower case. `.NAME`: all below it; `*`: any. */
  hosts: readonly string[];
}

/** An address, or a name without a dot, as those of services and containers: no page of a site has such a name. */
const localHost =
  /^(?:\[[0-9a-f:.]+\]|\d{1,3}(?:\.\d{1,3}){3}|[a-z0-9_-]+|[a-z0-9_.-]+\.svc(?:\.cluster\.local)?)$/;

function isKnownHost(host: string, known: readonly string[]): boolean {
  const name = host
    .toLowerCase()
    .replace(/:\d{1,5}$/, '')
    .replace(/\.$/, '');
  return (
    localHost.test(name) ||
    known.some((each) => each === '*' || each === name || (each.startsWith('.') && name.endsWith(each)))
  );
}

/**
 * A page of somebody else's in a browser may not ask: one that sends from elsewhere shows in `Origin`, one that had its
 * name resolved to this server's address in `Host`. Without keys only programs of this host may ask, under its own names;
 * with keys others may, under names that are known. Throws `permission_denied`.
 */
export function checkSource({ raw, headers }: FastifyRequest, { isKeyed, hosts: known }: Guarded): void {
  const { host, origin } = headers;
  const hosts = raw.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
  if (hosts.length > 1 || host === undefined)
    throw new OpspawnError('permission_denied', 'Host must be there, and once');
  if (!isKeyed && !loopbackHost.test(host)) {
    throw new OpspawnError(
      'permission_denied',
      'Host must be localhost, 127.0.0.1 or [::1]: keys are needed for others',
    );
  }
  if (isKeyed && !isKnownHost(host, known)) {
    throw new OpspawnError(
      'permission_denied',
      'Host is no name of this server that it knows: OPSPAWN_ALLOWED_HOSTS says under which names it is called',
    );
  }
  if (origin === undefined || isSameOrigin(origin, host, isKeyed)) return;
  throw new OpspawnError(
    'permission_denied',
    'Origin must be that of this server: pages of other sites may not call it',
  );
}

/** A server that others reach stands behind a proxy that speaks TLS. */
function isSameOrigin(origin: string, host: string, isKeyed: boolean): boolean {
  const own = host.toLowerCase();
  const sent = origin.toLowerCase();
  return sent === `http://${own}` || (isKeyed && sent === `https://${own}`);
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

/** Whether only programs of this host reach what listens there. */
export const isLoopback = (host: string): boolean => loopbackAddress.test(host);
