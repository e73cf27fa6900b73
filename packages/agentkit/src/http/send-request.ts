import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { LookupFunction } from 'node:net';
import { nodeHttp, nodeHttps } from './node-modules.ts';

export interface SentRequest {
  readonly method?: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * Where to connect to, whatever the name resolves to by now. The connection is then neither kept nor made through a proxy.
   * Default: what the global agent does.
   */
  readonly at?: { readonly address: string; readonly family: number };
}

/** The beginning of the answer. Rejects with the signal's reason, or with what failed. No listener stays at the signal. */
export function sendRequest(
  url: URL,
  { method = 'GET', headers, body, signal, at }: SentRequest,
): Promise<IncomingMessage> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const { request } = url.protocol === 'https:' ? nodeHttps() : nodeHttp();
    const asking = request(url, { method, headers, ...(at !== undefined && connectingTo(at)) }, resolve);
    const abort = () => asking.destroy();
    signal?.addEventListener('abort', abort, { once: true });
    asking.on('close', () => signal?.removeEventListener('abort', abort));
    asking.on('error', (cause) => reject(signal?.aborted ? signal.reason : cause));
    asking.end(body);
  });
}

const connectingTo = ({ address, family }: NonNullable<SentRequest['at']>) => ({
  agent: false,
  lookup: ((_host, { all }, found) => {
    if (all === true) found(null, [{ address, family }]);
    else found(null, address, family);
  }) satisfies LookupFunction,
});
