import type { JSONRPCMessage } from '@modelcontextprotocol/client';

export interface SilentProbeOptions {
  send(message: JSONRPCMessage): void;
  receive(message: JSONRPCMessage): void;
}

/** A server that has answered by then is not asked for more. */
const patienceMs = 1_000;
/** What a server does not answer so long after it answered a later request, it does not answer. */
const graceMs = 1_000;
const pingId = 'opspawn-ping';

/**
 * The library's first request tells the eras of the protocol apart, and it waits for its answer for as long as a slow
 * server takes to start. A server of the older era may answer nothing that it does not know. So it is sent a ping as
 * well, which servers of both eras answer in some way: one that answered that, and not the request before, never will.
 */
export class SilentProbe {
  readonly #options: SilentProbeOptions;
  #id: string | number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SilentProbeOptions) {
    this.#options = options;
  }

  /** Of every message that goes to the server. */
  onSend(message: JSONRPCMessage): void {
    if (!('method' in message) || !('id' in message) || message.method !== 'server/discover') return;
    this.end();
    this.#id = message.id;
    // in the same envelope: one without it would turn the connection into one of the older era
    const { _meta } = message.params ?? {};
    const ping = { jsonrpc: '2.0' as const, id: pingId, method: 'ping', ...(_meta && { params: { _meta } }) };
    this.#timer = setTimeout(() => this.#options.send(ping), patienceMs);
  }

  /** Of every message that comes from it; false for what nobody but this asked for. */
  onReceive(message: JSONRPCMessage): boolean {
    if ('method' in message) return true;
    if (message.id === this.#id) this.end();
    if (message.id !== pingId) return true;
    const id = this.#id;
    if (id !== undefined) {
      const error = { code: -32601, message: 'The server answers a ping, and not this' };
      this.#timer = setTimeout(() => this.#options.receive({ jsonrpc: '2.0', id, error }), graceMs);
    }
    return false;
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#id = undefined;
  }
}
