import type { IncomingMessage } from 'node:http';
import { responseOf } from '../http/response-of.ts';
import { sendRequest } from '../http/send-request.ts';

const maxRedirects = 5;

/** No model says so much: a server that never ends its answer must not take all memory. */
const maxAnswerBytes = 100 * 1024 * 1024;

const globalFetch = globalThis.fetch;

/**
 * `fetch` for what the packages of providers ask: a text or bytes are sent, and an answer comes whose body is read once. Over
 * `node:http` and its global agents, since that takes a third of the time that the global `fetch` takes, and bounds no
 * answer to five minutes. A redirect is followed within one host only, as the key is sent along in a header that `fetch` would take
 * anywhere. What is not of that kind goes to the global `fetch`, and so does everything when
 * somebody has put another in its place since this was loaded. Rejects as `fetch` does: with `TypeError: fetch failed` and its `cause`, or with
 * the signal's reason.
 */
export const fetchOverHttp: typeof fetch = async (input, init = {}) => {
  const { body, method = 'GET' } = init;
  const signal = init.signal ?? undefined;
  const isPlain =
    !(input instanceof Request) &&
    (body === undefined || typeof body === 'string' || body instanceof Uint8Array);
  if (!isPlain || globalThis.fetch !== globalFetch) {
    // Whoever put it there mostly reads bodies as texts.
    const sent = body instanceof Uint8Array ? Buffer.from(body).toString() : body;
    return await globalThis.fetch(input, sent === undefined ? init : { ...init, body: sent });
  }
  const headers = Object.fromEntries(new Headers(init.headers));
  try {
    let url = new URL(input);
    for (let redirects = 0; ; redirects += 1) {
      const answer = await sendRequest(url, { method, headers, body, signal });
      const { location } = answer.headers;
      if (location === undefined || !isRedirect(answer)) return responseOf(answer, signal, maxAnswerBytes);
      answer.destroy();
      if (redirects === maxRedirects) throw new Error(`more than ${maxRedirects} redirects`);
      url = redirected(url, location);
    }
  } catch (cause) {
    throw signal?.aborted ? signal.reason : new TypeError('fetch failed', { cause });
  }
};

const isRedirect = ({ statusCode }: IncomingMessage): boolean =>
  [301, 302, 303, 307, 308].includes(statusCode ?? 0);

/** Within one origin, or from http to https of one host. */
function redirected(from: URL, location: string): URL {
  const to = new URL(location, from);
  const isUpgrade = to.hostname === from.hostname && from.protocol === 'http:' && to.protocol === 'https:';
  if (to.origin === from.origin || isUpgrade) return to;
  throw new Error(`${from.origin} redirects to ${to.origin}, which is not given the key`);
}
