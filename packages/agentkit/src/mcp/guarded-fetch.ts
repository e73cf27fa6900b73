import { BlockList, isIP } from 'node:net';
import type { FetchLike } from '@modelcontextprotocol/client';
import { OpspawnError } from '../errors.ts';
import { responseOf } from '../http/response-of.ts';
import { sendRequest } from '../http/send-request.ts';
import {
  checkedAddress,
  type HostAddress,
  isPublicAddress,
  type Resolve,
  resolveByDns,
} from '../tool/builtin/public-address.ts';

export interface GuardOptions {
  /** Finds the addresses of a host. Default: the system's resolver. */
  resolve?: Resolve;
  /** Asks the configured server itself. Default: this process's. */
  fetch?: FetchLike;
}

const maxRedirects = 5;
/** What a server names is metadata and tokens, which take no longer. */
const elsewhereMs = 30_000;
/** Those that go with a redirect to another origin: none may hold a secret. */
const harmlessHeaders = ['accept', 'content-type', 'mcp-protocol-version'];

/**
 * `fetch` for one configured server and for what that server names: where its authorization server is, it says itself.
 * Its own origin is asked as configured; another one only on the public internet, at the address that was looked at, unless
 * the configured server itself stands in a network that is not public. So is what either redirects to. Throws `tool_denied`.
 */
export function guardedFetch(serverUrl: string, options: GuardOptions = {}): FetchLike {
  const { origin, hostname } = new URL(serverUrl);
  const { resolve = resolveByDns, fetch: ask = fetch } = options;
  const send = async (request: Request): Promise<Response> => {
    const target = new URL(request.url);
    if (target.protocol !== 'http:' && target.protocol !== 'https:')
      throw denied(`${target.protocol} is neither http nor https`);
    if (target.origin === origin || (await isInside(hostname, resolve)))
      return await ask(target, await asInit(request));
    const address = await checkedAddress(bare(target.hostname), new BlockList(), resolve);
    return await askAt(target, address, request);
  };
  return async (url, init) => {
    let request = new Request(url, init);
    for (let redirects = 0; ; redirects += 1) {
      const again = request.clone();
      const response = await send(request);
      const next = redirectOf(response, again);
      if (next === undefined) return response;
      await response.body?.cancel();
      if (redirects === maxRedirects) throw denied(`${serverUrl} redirects more than ${maxRedirects} times`);
      request = next;
    }
  };
}

/** Where an answer leads to, as `fetch` would follow it (Fetch, 4.4), but that no header of one origin goes to another. */
function redirectOf({ status, headers }: Response, request: Request): Request | undefined {
  const location = headers.get('location');
  if (![301, 302, 303, 307, 308].includes(status) || location === null) return undefined;
  const from = new URL(request.url);
  const target = URL.parse(location, from);
  if (target === null) throw denied(`${from.origin} redirects to what is no URL`);
  if (from.protocol === 'https:' && target.protocol !== 'https:')
    throw denied(`${from.origin} redirects from https to ${target.protocol}`);
  const isSame = target.origin === from.origin;
  const kept = [...request.headers].filter(([name]) => isSame || harmlessHeaders.includes(name));
  const { signal } = request;
  if (status === 303 || (status < 303 && request.method === 'POST'))
    return new Request(target, { headers: kept.filter(([name]) => name !== 'content-type'), signal });
  // what is told to one origin is not for another: a refresh token, a code
  if (!isSame && request.method !== 'GET')
    throw denied(`${from.origin} redirects a ${request.method} to ${target.origin}`);
  return new Request(target, { ...withBody(request), method: request.method, headers: kept, signal });
}

const withBody = ({ body }: Request): RequestInit =>
  body === null ? {} : ({ body, duplex: 'half' } as RequestInit);

const asInit = async (request: Request): Promise<RequestInit> => ({
  method: request.method,
  headers: request.headers,
  signal: request.signal,
  redirect: 'manual',
  ...(request.body !== null && { body: await request.text() }),
});

/** Connects to the checked address: the name is not resolved again. */
async function askAt(url: URL, at: HostAddress, request: Request): Promise<Response> {
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(elsewhereMs)]);
  const answer = await sendRequest(url, {
    method: request.method,
    headers: { ...Object.fromEntries(request.headers), 'accept-encoding': 'identity' },
    ...(request.body !== null && { body: await request.text() }),
    signal,
    at,
  });
  const response = responseOf(answer, signal);
  Object.defineProperty(response, 'url', { value: url.href });
  return response;
}

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

async function isInside(hostname: string, resolve: Resolve): Promise<boolean> {
  const host = bare(hostname);
  const addresses = isIP(host) === 0 ? await resolve(host) : [{ address: host }];
  return addresses.every(({ address }) => !isPublicAddress(address));
}

const denied = (message: string): OpspawnError =>
  new OpspawnError('tool_denied', message, { retryable: false });
