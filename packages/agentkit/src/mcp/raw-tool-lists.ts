import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client';
import type { Json } from '../json.ts';

export interface RawToolListsOptions {
  /** The server lists more than it may; nothing more of the list is kept. */
  onFlood(reason: string): void;
}

const maxTools = 2_000;
const maxListBytes = 16 * 1024 * 1024;

/**
 * Reads the answers to `tools/list` as they stand on the wire, on their way to the client: the library gives only those
 * fields of a definition that it knows, and a change in another one could steer a model as well.
 */
export class RawToolLists {
  readonly #options: RawToolListsOptions;
  readonly #asked = new Set<string | number>();
  #definitions = new Map<string, Json>();
  #bytes = 0;

  constructor(options: RawToolListsOptions) {
    this.#options = options;
  }

  /** Of a connected transport. */
  watch(transport: Transport): void {
    const { onmessage } = transport;
    const send = transport.send.bind(transport);
    transport.send = (message, options) => {
      for (const each of [message].flat()) {
        if ('method' in each && each.method === 'tools/list' && 'id' in each) this.#asked.add(each.id);
      }
      return send(message, options);
    };
    transport.onmessage = (message, extra) => {
      this.#read(message);
      onmessage?.(message, extra);
    };
  }

  /** Forgets what was read: a list is about to be asked for from its first page on. */
  begin(): void {
    this.#definitions = new Map();
    this.#bytes = 0;
  }

  definition(tool: string): Json | undefined {
    return this.#definitions.get(tool);
  }

  /** Only the answer that the client will take: a server must not show one definition here and another one there. */
  #read(message: JSONRPCMessage): void {
    if (!('result' in message) || !this.#asked.delete(message.id)) return;
    const { tools } = message.result;
    if (!Array.isArray(tools)) return;
    for (const tool of tools as { name?: unknown }[]) {
      if (typeof tool?.name !== 'string') continue;
      this.#bytes += JSON.stringify(tool).length;
      if (this.#bytes > maxListBytes || this.#definitions.size >= maxTools) {
        this.#options.onFlood(
          `lists more than ${maxTools} tools or ${maxListBytes / 1024 / 1024} MB of them`,
        );
        return;
      }
      // parsed from JSON
      this.#definitions.set(tool.name, tool as Json);
    }
  }
}
