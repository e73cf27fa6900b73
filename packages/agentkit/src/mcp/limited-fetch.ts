import type { FetchLike } from '@modelcontextprotocol/client';

const maxMessageBytes = 10 * 1024 * 1024;
const newline = 10;
const carriageReturn = 13;

/** `fetch`, whose answers break off with an error when one message of theirs is over 10 MB. */
export const limitedFetch =
  (next: FetchLike): FetchLike =>
  async (url, init) => {
    const response = await next(url, init);
    if (response.body === null) return response;
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
    const body = response.body.pipeThrough(isStream ? limitPerEvent() : limitInAll());
    const { status, statusText, headers } = response;
    const limited = new Response(body, { status, statusText, headers });
    Object.defineProperty(limited, 'url', { value: response.url });
    return limited;
  };

type Bytes = Uint8Array<ArrayBuffer>;
const tooLong = (): Error => new Error('sent a message of over 10 MB');

function limitInAll(): TransformStream<Bytes, Bytes> {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.length;
      if (bytes > maxMessageBytes) throw tooLong();
      controller.enqueue(chunk);
    },
  });
}

/** A stream may go on for ever, an event may not: it ends at an empty line. */
function limitPerEvent(): TransformStream<Bytes, Bytes> {
  let bytes = 0;
  let isAtLineStart = true;
  return new TransformStream({
    transform(chunk, controller) {
      for (const byte of chunk) {
        bytes += 1;
        if (byte === newline) {
          if (isAtLineStart) bytes = 0;
          isAtLineStart = true;
        } else if (byte !== carriageReturn) isAtLineStart = false;
      }
      if (bytes > maxMessageBytes) throw tooLong();
      controller.enqueue(chunk);
    },
  });
}
