import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { nodeZlib } from './node-modules.ts';

/** Statuses whose answers have no body (Fetch standard, 2.2.3). */
const emptyStatuses: ReadonlySet<number> = new Set([204, 205, 304]);

/** Nothing is asked to be encoded; some servers do it all the same. */
const decoders: Readonly<Record<string, () => NodeJS.ReadWriteStream & Readable>> = {
  gzip: () => nodeZlib().createGunzip(),
  'x-gzip': () => nodeZlib().createGunzip(),
  deflate: () => nodeZlib().createInflate(),
  br: () => nodeZlib().createBrotliDecompress(),
  zstd: () => nodeZlib().createZstdDecompress(),
};

/**
 * The answer as `fetch` gives it, with a body that is read as it comes. What breaks the body is a `TypeError: terminated` with
 * its `cause`, or the signal's reason; more than `maxBytes`, unpacked, breaks it too. Throws what no `Response` can be made of.
 */
export function responseOf(
  answer: IncomingMessage,
  signal: AbortSignal | undefined,
  maxBytes = Number.POSITIVE_INFINITY,
): Response {
  const { statusCode: status = 0, statusMessage: statusText = '', rawHeaders } = answer;
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2)
    headers.append(rawHeaders[index] as string, rawHeaders[index + 1] as string);
  const isEmpty = emptyStatuses.has(status);
  if (isEmpty) answer.resume();
  try {
    return new Response(isEmpty ? null : bodyOf(decoded(answer), signal, maxBytes), {
      status,
      statusText,
      headers,
    });
  } catch (cause) {
    answer.destroy();
    throw cause;
  }
}

function decoded(answer: IncomingMessage): Readable {
  const decoder = decoders[answer.headers['content-encoding']?.trim().toLowerCase() ?? '']?.();
  if (decoder === undefined) return answer;
  answer.on('error', (cause) => decoder.destroy(cause));
  decoder.on('close', () => answer.destroy());
  return answer.pipe(decoder) as typeof decoder;
}

function bodyOf(
  source: Readable,
  signal: AbortSignal | undefined,
  maxBytes: number,
): ReadableStream<Uint8Array> {
  let bytes = 0;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      source.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxBytes) {
          source.destroy(new Error(`the answer has more than ${maxBytes} bytes`));
          return;
        }
        controller.enqueue(chunk);
        if ((controller.desiredSize ?? 0) <= 0) source.pause();
      });
      source.on('end', () => controller.close());
      source.on('error', (cause) =>
        controller.error(signal?.aborted ? signal.reason : new TypeError('terminated', { cause })),
      );
      source.pause();
    },
    pull: () => void source.resume(),
    cancel: () => void source.destroy(),
  });
}
