import { type JSONRPCRequest, ProtocolError, type Transport } from '@modelcontextprotocol/client';

/** Of the range that JSON-RPC leaves to implementations. */
const streamEnded = -32_099;
const message = 'the answer broke off';

/**
 * Lets a request of the older era fail as soon as the stream of its answer has ended for good without one; the library
 * alone would wait for its time-out.
 */
export function failBrokenStreams(transport: Transport): void {
  const waiting = new Set<string | number>();
  const { onmessage } = transport;
  const send = transport.send.bind(transport);
  transport.onmessage = (received, extra) => {
    if ('id' in received && !('method' in received) && received.id !== undefined) waiting.delete(received.id);
    onmessage?.(received, extra);
  };
  transport.send = (sent, options) => {
    if (!isCall(sent)) return send(sent, options);
    const { id } = sent;
    waiting.add(id);
    const onRequestStreamEnd = (): void => {
      if (!waiting.delete(id)) return;
      transport.onmessage?.({ jsonrpc: '2.0', id, error: { code: streamEnded, message } });
    };
    return send(sent, { ...options, onRequestStreamEnd });
  };
}

/** The library minds subscriptions itself; their ids are texts. */
const isCall = (sent: object): sent is JSONRPCRequest & { id: number } =>
  'method' in sent && 'id' in sent && typeof sent.id === 'number';

export const isBrokenStream = (error: unknown): boolean =>
  error instanceof ProtocolError && error.code === streamEnded && error.message === message;
