import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import {
  deserializeMessage,
  type JSONRPCMessage,
  serializeMessage,
  type Transport,
} from '@modelcontextprotocol/client';
import { OpspawnError } from '../errors.ts';
import { ProcessGroup, type ProcessGroupOptions } from '../process/process-group.ts';
import { readLines } from '../process/read-lines.ts';
import { SilentProbe } from './silent-probe.ts';

export interface StdioTransportOptions extends ProcessGroupOptions {
  /** What the server writes to stderr, and what of its stdout is no message. */
  onLine(source: 'stderr' | 'protocol', line: string): void;
  /** From SIGTERM to SIGKILL. Default 2,000. */
  graceMs?: number;
}

type Write = (text: string, done: (error?: Error | null) => void) => void;

/** A server that no longer reads is about to end; one that only closed its stdin is not waited for longer. */
const maxEndDelayMs = 1_000;
const maxMessageBytes = 10 * 1024 * 1024;
const maxLogLineBytes = 8 * 1024;
const maxLastWords = 20;
/** So much on stdout without one message between is no server that prints a banner. */
const maxGarbageBytes = 1024 * 1024;

/**
 * MCP over the stdin and stdout of a process group. Instead of the library's transport, which kills only the direct
 * child and lets it outlive this process, and which probes the protocol's era on a second process.
 */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  /** Tells the client that this is stdio: a probe that gets no answer means a server of the older era. */
  readonly stderr = null;
  /** Why the server is gone or about to be; undefined while it runs and after `close`. */
  failure: string | undefined;
  readonly #options: StdioTransportOptions;
  readonly #probe = new SilentProbe({
    send: (message) => void this.#write(message).catch(() => {}), // that it is gone is known otherwise
    receive: (message) => this.onmessage?.(message),
  });
  #lastWords: string[] = [];
  #group: ProcessGroup | undefined;
  #garbageBytes = 0;
  #closing = false;

  constructor(options: StdioTransportOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#group?.pid;
  }

  async start(): Promise<void> {
    if (this.#closing) throw new OpspawnError('mcp_failed', 'the connection is closed');
    const group = new ProcessGroup(this.#options);
    this.#group = group;
    readLines(group.stdout, {
      maxLineBytes: maxMessageBytes,
      onLine: (line, cut) => (cut ? this.fail('sent a message of over 10 MB') : this.#receive(line)),
    });
    readLines(group.stderr, {
      maxLineBytes: maxLogLineBytes,
      onLine: (line, cut) => {
        this.#lastWords = [...this.#lastWords.slice(1 - maxLastWords), line];
        this.#options.onLine('stderr', cut ? `${line}…` : line);
      },
    });
    void group.ended.then((reason) => {
      this.#probe.end();
      if (!this.#closing) this.failure ??= reason + this.#complaint();
      this.onclose?.();
    });
  }

  /** The line at the end of its log that looks like the reason. */
  #complaint(): string {
    const line = this.#lastWords.find((word) =>
      /error|usage|missing|not found|cannot|denied|failed/i.test(word),
    );
    return line === undefined ? '' : `, saying: ${line.trim().slice(0, 300)}`;
  }

  #receive(line: string): void {
    if (this.failure !== undefined) return;
    let message: JSONRPCMessage;
    try {
      message = deserializeMessage(line);
    } catch {
      this.#garbageBytes += line.length + 1;
      this.#options.onLine('protocol', line.slice(0, maxLogLineBytes));
      if (this.#garbageBytes > maxGarbageBytes) this.fail('writes to stdout what is no MCP message');
      return;
    }
    this.#garbageBytes = 0;
    if (this.#probe.onReceive(message)) this.onmessage?.(message);
  }

  /** Kills the server for what it did. */
  fail(failure: string): void {
    this.failure ??= failure;
    this.#group?.kill('SIGKILL');
  }

  async send(message: JSONRPCMessage): Promise<void> {
    await this.#write(message);
    this.#probe.onSend(message);
  }

  async #write(message: JSONRPCMessage): Promise<void> {
    const group = this.#group;
    if (!group?.stdin.writable)
      throw new OpspawnError('mcp_failed', this.failure ?? 'the server is not running');
    try {
      await promisify(group.stdin.write.bind(group.stdin) as Write)(serializeMessage(message));
    } catch (error) {
      // The pipe tells first that the server is gone; why stands in how it ended.
      await Promise.race([group.ended, delay(maxEndDelayMs, undefined, { ref: false })]);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#probe.end();
    await this.#group?.stop(this.#options.graceMs ?? 2_000);
  }
}
