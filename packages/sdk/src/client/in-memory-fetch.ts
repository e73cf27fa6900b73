/** What of a fastify instance the transport uses. */
export interface Injectable {
  inject(request: {
    method: 'GET' | 'POST';
    url: string;
    headers: Record<string, string>;
    payload?: string;
    payloadAsStream: true;
  }): PromiseLike<{
    statusCode: number;
    headers: Record<string, number | string | string[] | undefined>;
    stream(): AsyncIterable<Uint8Array> & { destroy(): unknown };
  }>;
}

/** A `fetch` that hands requests to a server in this process, without a port. For tests of what uses the client. */
export function createInMemoryFetch(server: Injectable): typeof fetch {
  return async (target, init) => {
    const request = new Request(target, init);
    request.signal.throwIfAborted();
    const url = new URL(request.url);
    const payload = await request.text();
    const answer = await server.inject({
      method: request.method === 'POST' ? 'POST' : 'GET',
      url: url.pathname + url.search,
      headers: { host: url.host, ...Object.fromEntries(request.headers) },
      ...(payload === '' ? {} : { payload }),
      payloadAsStream: true,
    });
    const headers = Object.entries(answer.headers).map(([name, value]): [string, string] => [
      name,
      String(value),
    ]);
    const body = answer.statusCode === 204 ? null : asWebStream(answer.stream(), request.signal);
    return new Response(body, { status: answer.statusCode, headers });
  };
}

function asWebStream(
  source: AsyncIterable<Uint8Array> & { destroy(): unknown },
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  return new ReadableStream({
    start(controller) {
      signal.addEventListener('abort', () => {
        source.destroy();
        controller.error(signal.reason);
      });
    },
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done === true) controller.close();
      else controller.enqueue(new Uint8Array(value));
    },
    cancel() {
      source.destroy();
    },
  });
}
