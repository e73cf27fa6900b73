import { type JSONRPCMessage, specTypeSchemas, type Transport } from '@modelcontextprotocol/client';
import { isJson, type Json } from '../json.ts';

export interface RawToolListsOptions {
  /** The server lists more than it may; nothing more of the list is kept. */
  onFlood(reason: string): void;
  /** One of its tools is defined in a way that the protocol does not know: it is left out, and the others are not. */
  onInvalid(reason: string): void;
}

const maxTools = 2_000;
const maxListBytes = 16 * 1024 * 1024;
const maxToldLength = 500;
const maxTold = 100;

/**
 * Reads the answers to `tools/list` as they stand on the wire, on their way to the client: the library gives only those
 * fields of a definition that it knows, and a change in another one could steer a model as well. It would also refuse a
 * whole list for one tool that is not valid: that one is taken out before.
 */
export class RawToolLists {
  readonly #options: RawToolListsOptions;
  readonly #asked = new Set<string | number>();
  #definitions = new Map<string, Json>();
  #bytes = 0;
  /** A list is asked for again and again: what is wrong with it is said once. */
  readonly #told = new Set<string>();

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
      onmessage?.(this.#read(message), extra);
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
  #read(message: JSONRPCMessage): JSONRPCMessage {
    if (!('result' in message) || !this.#asked.delete(message.id)) return message;
    const { tools } = message.result;
    if (!Array.isArray(tools)) return message;
    const valid = tools.filter((tool, index) => this.#isValid(tool, index));
    this.#keep(valid);
    return valid.length === tools.length
      ? message
      : { ...message, result: { ...message.result, tools: valid } };
  }

  #isValid(tool: unknown, index: number): tool is { name: string } {
    const problem = problemOf(tool);
    if (problem === undefined) return true;
    const { name } = (tool ?? {}) as { name?: unknown };
    const which =
      typeof name === 'string' ? JSON.stringify(name.slice(0, maxToldLength)) : `number ${index + 1}`;
    const told = `leaves out the tool ${which}, which is not valid: ${problem.slice(0, maxToldLength)}`;
    if (!this.#told.has(told) && this.#told.size < maxTold) this.#options.onInvalid(told);
    this.#told.add(told);
    return false;
  }

  #keep(tools: readonly { name: string }[]): void {
    for (const tool of tools) {
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

/** What is nested without end is not looked at: the library's checks, which call themselves, would end this process. */
function problemOf(tool: unknown): string | undefined {
  if (!isJson(tool)) return 'it is nested too deeply';
  const { issues } = specTypeSchemas.Tool['~standard'].validate(tool);
  return issues?.map(({ path = [], message }) => `${path.map(String).join('.')}: ${message}`).join('; ');
}
