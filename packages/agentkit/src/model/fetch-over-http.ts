import type { IncomingMessage } from 'node:http';
import { responseOf } from '../http/response-of.ts';
import { sendRequest } from '../http/send-request.ts';

/** No model says so much: a server that never ends its answer must not take all memory. */
const maxAnswerBytes = 100 * 1024 * 1024;

const globalFetch = globalThis.fetch;

/**
 * `fetch` for what the packages of providers ask: a text is sent, and an answer comes whose body is read once. Over
 * `node:http` and its global agents, since that takes a third of the time that the global `fetch` takes, and bounds no
 * answer to five minutes. What is not of that kind or is redirected goes to the global `fetch`, and so does everything when
 * somebody has put another in its place since this was loaded. Rejects as `fetch` does: with `TypeError: fetch failed` and its `cause`, or with
 * the signal's reason.
 */
export const fetchOverHttp: typeof fetch = async (input, init = {}) => {
  const { body, method = 'GET' } = init;
  const signal = init.signal ?? undefined;
  const isPlain = !(input instanceof Request) && (body === undefined || typeof body === 'string');
  if (!isPlain || globalThis.fetch !== globalFetch) return await globalThis.fetch(input, init);
  const headers = Object.fromEntries(new Headers(init.headers));
  try {
    const answer = await sendRequest(new URL(input), { method, headers, body, signal });
    if (!isRedirect(answer)) return responseOf(answer, signal, maxAnswerBytes);
    answer.destroy();
  } catch (cause) {
    throw signal?.aborted ? signal.reason : new TypeError('fetch failed', { cause });
  }
  return await globalThis.fetch(input, init);
};

const isRedirect = ({ statusCode = 0, headers }: IncomingMessage): boolean =>
  statusCode >= 300 && statusCode < 400 && headers.location !== undefined;
