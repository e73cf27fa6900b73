import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';

/** Statuses whose answers have no body (Fetch standard, 2.2.3). */
const emptyStatuses: ReadonlySet<number> = new Set([204, 205, 304]);

/** Nothing is asked to be encoded; some servers do it all the same. */
const decoders: Readonly<Record<string, () => NodeJS.ReadWriteStream & Readable>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

const globalFetch = globalThis.fetch;

/**
 * `fetch` for what the packages of providers ask: a text is sent, and an answer comes whose body is read once. Over
 * `node:http` and its global agents, since that takes a third of the time that the global `fetch` takes, and bounds no
 * answer to five minutes. What is not of that kind or is redirected goes to the global `fetch`, and so does everything when
 * somebody has put another in its place. Rejects as `fetch` does: with `TypeError: fetch failed` and its `cause`, or with
 * the signal's reason.
 */
export const fetchOverHttp: typeof fetch = async (input, init = {}) => {
  const { body, method = 'GET' } = init;
  const signal = init.signal ?? undefined;
  const isPlain = !(input instanceof Request) && (body === undefined || typeof body === 'string');
  if (!isPlain || globalThis.fetch !== globalFetch) return await globalThis.fetch(input, init);
  const headers = Object.fromEntries(new Headers(init.headers));
  const answer = await send(new URL(input), { method, headers, body, signal });
  if (!isRedirect(answer)) return responseOf(answer, signal);
  answer.destroy();
  return await globalThis.fetch(input, init);
};

interface Asked {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
  readonly signal: AbortSignal | undefined;
}

function send(url: URL, { method, headers, body, signal }: Asked): Promise<http.IncomingMessage> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const { request } = url.protocol === 'https:' ? https : http;
    const asking = request(url, { method, headers }, resolve);
    const abort = () => asking.destroy();
    signal?.addEventListener('abort', abort, { once: true });
    asking.on('close', () => signal?.removeEventListener('abort', abort));
    asking.on('error', (cause) => reject(failure('fetch failed', cause, signal)));
    asking.end(body);
  });
}

const isRedirect = ({ statusCode = 0, headers }: http.IncomingMessage): boolean =>
  statusCode >= 300 && statusCode < 400 && headers.location !== undefined;

function responseOf(answer: http.IncomingMessage, signal: AbortSignal | undefined): Response {
  const { statusCode: status = 0, statusMessage: statusText = '', rawHeaders } = answer;
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2)
    headers.append(rawHeaders[index] as string, rawHeaders[index + 1] as string);
  if (emptyStatuses.has(status)) {
    answer.resume();
    return new Response(null, { status, statusText, headers });
  }
  try {
    return new Response(bodyOf(decoded(answer), signal), { status, statusText, headers });
  } catch (cause) {
    answer.destroy();
    throw failure('fetch failed', cause, signal);
  }
}

function decoded(answer: http.IncomingMessage): Readable {
  const decoder = decoders[answer.headers['content-encoding']?.trim().toLowerCase() ?? '']?.();
  if (decoder === undefined) return answer;
  answer.on('error', (cause) => decoder.destroy(cause));
  decoder.on('close', () => answer.destroy());
  return answer.pipe(decoder) as typeof decoder;
}

function bodyOf(source: Readable, signal: AbortSignal | undefined): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      source.on('data', (chunk: Buffer) => {
        controller.enqueue(chunk);
        if ((controller.desiredSize ?? 0) <= 0) source.pause();
      });
      source.on('end', () => controller.close());
      source.on('error', (cause) => controller.error(failure('terminated', cause, signal)));
      source.pause();
    },
    pull: () => void source.resume(),
    cancel: () => void source.destroy(),
  });
}

const failure = (message: string, cause: unknown, signal: AbortSignal | undefined): unknown =>
  signal?.aborted ? signal.reason : new TypeError(message, { cause });
