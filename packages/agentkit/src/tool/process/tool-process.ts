import { fileURLToPath } from 'node:url';
import { type ErrorCode, errorCodes } from '../../error-codes.ts';
import { OpspawnError } from '../../errors.ts';
import type { Json } from '../../json.ts';
import { moduleUrl } from '../../module-url.ts';
import { ProcessGroup } from '../../process/process-group.ts';
import { readLines } from '../../process/read-lines.ts';
import type { ToolContext } from '../tool.ts';
import { limitMemory, type MemoryLimit } from './memory-limit.ts';
import type { ProcessRequest } from './process-messages.ts';
import { type ProcessFailure, type ProcessReply, processReplySchema } from './process-reply.ts';

export interface ToolProcessOptions {
  module: URL;
  memoryMb: number;
  /** Whether the kernel is asked to enforce the memory limit, where it can. */
  mayRefuseMemory: boolean;
}

export interface ProcessCall {
  /** Name of the tool, for errors. */
  tool: string;
  input: Json;
  context: ToolContext;
  /** Largest result, as JSON in bytes. */
  maxOutputBytes: number;
}

interface Current {
  id: number;
  call: ProcessCall;
  resolve(result: Json | undefined): void;
  reject(error: OpspawnError): void;
}

/** A call that is aborted gets so long to end by itself; one whose time is up gets none. */
const abortGraceMs = 500;
const maxReplyBytes = 256 * 1024 * 1024;
const maxProgressLength = 1_000;
const outOfMemory = /out of memory|allocation failed|bad_alloc|cannot allocate/i;

/** Passes our pipes on as other descriptors, and leaves the process no input, no output and no environment. */
const redirect = 'exec /usr/bin/env -i "$@" 4<&0 5>&1 </dev/null >/dev/null';

/** One process with one module in it, for one call at a time. It and all that it starts end with this process. */
export class ToolProcess {
  readonly pid: number | undefined;
  /** Fulfils when the module is loaded. Throws `tool_failed` when it cannot be. */
  readonly ready: Promise<void>;
  /** Fulfils when nothing of it is left. */
  readonly ended: Promise<void>;
  readonly #group: ProcessGroup;
  readonly #options: ToolProcessOptions;
  #memory: MemoryLimit | undefined;
  #current: Current | undefined;
  #calls = 0;
  #stderrTail = '';
  #killedBecause: string | undefined;
  #hasEnded = false;
  #onLoaded: { resolve(): void; reject(error: OpspawnError): void } | undefined;

  constructor(options: ToolProcessOptions) {
    this.#options = options;
    const entry = moduleUrl('./process-entry', import.meta.url);
    const command = [process.execPath, '--no-warnings', fileURLToPath(entry)];
    this.#group = new ProcessGroup({ command: '/bin/sh', args: ['-c', redirect, 'sh', ...command], env: {} });
    this.pid = this.#group.pid;
    this.ready = new Promise((resolve, reject) => {
      this.#onLoaded = { resolve, reject };
    });
    // Whoever waits for it handles it; a process may also end with nobody waiting.
    this.ready.catch(() => {});
    readLines(this.#group.stdout, {
      maxLineBytes: maxReplyBytes,
      onLine: (line, cut) => (cut ? this.kill('sent too large a reply') : this.#receive(line)),
    });
    this.#group.stderr.on('data', (chunk: Buffer) => {
      this.#stderrTail = (this.#stderrTail + chunk.toString('latin1')).slice(-4_000);
    });
    this.ended = this.#group.ended.then((how) => this.#end(how));
  }

  get isAlive(): boolean {
    return !this.#hasEnded && this.#killedBecause === undefined;
  }

  /** How its memory is limited; undefined until it is ready. */
  get memoryLimit(): MemoryLimit['kind'] | undefined {
    return this.#memory?.kind;
  }

  kill(because: string): void {
    this.#killedBecause ??= because;
    this.#group.kill('SIGKILL');
  }

  /** Whether it keeps our process from ending by itself. */
  keepAlive(keeps: boolean): void {
    this.#group.keepAlive(keeps);
  }

  /** Runs the module's function. Throws what it threw, or `tool_failed` when the process ends without an answer. */
  async call(call: ProcessCall): Promise<Json | undefined> {
    const { input, maxOutputBytes } = call;
    const { signal, callId, idempotencyKey, secrets } = call.context;
    signal.throwIfAborted();
    this.#calls += 1;
    const id = this.#calls;
    const answer = new Promise<Json | undefined>((resolve, reject) => {
      this.#current = { id, call, resolve, reject };
    });
    let grace: NodeJS.Timeout | undefined;
    const abort = (): void => {
      grace = this.#abort(id, signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    const memory = this.#memory?.watch(() => this.kill(this.#memoryExceeded()));
    try {
      if (this.#hasEnded) throw this.#failure(call.tool, 'its process has ended');
      this.#send({ type: 'call', call: id, input, callId, idempotencyKey, secrets, maxOutputBytes });
      return await answer;
    } finally {
      this.#current = undefined;
      memory?.stop();
      clearTimeout(grace);
      signal.removeEventListener('abort', abort);
    }
  }

  #abort(call: number, reason: unknown): NodeJS.Timeout | undefined {
    const { name, message } = reason instanceof Error ? reason : new Error(String(reason));
    if (name === 'TimeoutError') {
      this.kill('was killed: its time was up');
      return undefined;
    }
    this.#send({ type: 'abort', call, reason: message });
    return setTimeout(() => this.kill('was killed: it did not end when it was aborted'), abortGraceMs);
  }

  #send(request: ProcessRequest): void {
    if (this.#group.stdin.writable) this.#group.stdin.write(`${JSON.stringify(request)}\n`);
  }

  #receive(line: string): void {
    const parsed = processReplySchema.safeParse(parseJson(line));
    if (!parsed.success) {
      this.kill('sent a reply that cannot be understood');
      return;
    }
    const reply = parsed.data;
    switch (reply.type) {
      case 'started':
        void this.#load();
        return;
      case 'loaded':
        this.#onLoaded?.resolve();
        return;
      case 'progress':
        if (this.#isCurrent(reply.call)) {
          this.#current?.call.context.progress(reply.message.slice(0, maxProgressLength));
        }
        return;
      case 'done':
        if (this.#isCurrent(reply.call)) this.#current?.resolve(reply.result);
        return;
      case 'failed':
        this.#receiveFailure(reply);
        return;
      default:
        reply satisfies never;
    }
  }

  #receiveFailure({ call, error }: Extract<ProcessReply, { type: 'failed' }>): void {
    if (call !== undefined) {
      if (this.#isCurrent(call)) this.#current?.reject(errorOf(this.#current.call.tool, error));
      return;
    }
    this.#onLoaded?.reject(
      new OpspawnError('tool_failed', `${this.#options.module.href} cannot be loaded: ${error.message}`, {
        retryable: false,
      }),
    );
    this.kill('could not load its module');
  }

  #isCurrent(call: number): boolean {
    return this.#current?.id === call;
  }

  async #load(): Promise<void> {
    const { module, memoryMb, mayRefuseMemory } = this.#options;
    if (this.pid !== undefined) this.#memory = await limitMemory(this.pid, memoryMb, mayRefuseMemory);
    this.#send({ type: 'load', module: module.href });
  }

  #end(how: string): void {
    this.#hasEnded = true;
    const reason = this.#killedBecause ?? this.#diagnose(how);
    this.#onLoaded?.reject(
      new OpspawnError('tool_failed', `${this.#options.module.href}: its process ${reason}`),
    );
    this.#current?.reject(this.#failure(this.#current.call.tool, `its process ${reason}`));
  }

  #diagnose(how: string): string {
    if (outOfMemory.test(this.#stderrTail)) return this.#memoryExceeded();
    const said = /^(?:\w*Error|Error \[\w+\]): .*$/m.exec(this.#stderrTail)?.[0];
    return said === undefined ? how : `${how}: ${said}`;
  }

  #memoryExceeded(): string {
    return `was ended by its memory limit of ${this.#options.memoryMb} MB`;
  }

  #failure(tool: string, reason: string): OpspawnError {
    return new OpspawnError('tool_failed', `The tool ${tool} failed: ${reason}`, { details: { tool } });
  }
}

/** The tool's error as it would have been thrown here. */
function errorOf(tool: string, { message, code, retryable }: ProcessFailure): OpspawnError {
  const options = { details: { tool }, ...(retryable === undefined ? {} : { retryable }) };
  if (code === 'not_json')
    return new OpspawnError('tool_failed', `The result of the tool ${tool} is no JSON: ${message}`, options);
  if (code !== undefined && Object.hasOwn(errorCodes, code))
    return new OpspawnError(code as ErrorCode, message, options);
  return new OpspawnError('tool_failed', `The tool ${tool} failed: ${message}`, options);
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
