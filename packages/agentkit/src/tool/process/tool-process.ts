import { type ErrorCode, errorCodes } from '../../error-codes.ts';
import { OpspawnError, toOpspawnError } from '../../errors.ts';
import type { Json } from '../../json.ts';
import { ProcessGroup } from '../../process/process-group.ts';
import { readLines } from '../../process/read-lines.ts';
import type { ToolContext } from '../tool.ts';
import { type Launch, type LaunchOptions, launchOf } from './launch.ts';
import type { MemoryLimit } from './memory-limit.ts';
import type { ProcessRequest } from './process-messages.ts';
import { type ProcessFailure, type ProcessReply, processReplySchema } from './process-reply.ts';

export interface ToolProcessOptions extends LaunchOptions {
  /** Largest reply, in bytes. A process that sends more is killed. */
  maxReplyBytes: number;
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
  /** How often it told its progress. */
  told: number;
  resolve(result: Json | undefined): void;
  reject(error: OpspawnError): void;
}

/** A call that is aborted gets so long to end by itself; one whose time is up gets none. */
const abortGraceMs = 500;
const maxProgressLength = 1_000;
/** Of one call. What is told beyond that is dropped. */
const maxProgressMessages = 1_000;
const maxMessageLength = 4_000;
/** What an untrusted process may write in a call beside its reply. */
const maxChatterBytes = 4 * 1024 * 1024;
const outOfMemory = /out of memory|allocation failed|bad_alloc|cannot allocate/i;

/** One process with one module in it, for one call at a time. It and all that it starts end with this process. */
export class ToolProcess {
  readonly pid: number | undefined;
  /** Fulfils when the module is loaded. Throws `tool_failed` when it cannot be. */
  readonly ready: Promise<void>;
  /** Fulfils when nothing of it is left. */
  readonly ended: Promise<void>;
  readonly #group: ProcessGroup;
  readonly #options: ToolProcessOptions;
  readonly #launch: Launch;
  /** What is limited: who runs the module, or the first process of its sandbox, by its id as this process sees it. */
  #limitedPid: number | undefined;
  #hasStarted = false;
  #isLoaded = false;
  #isPreamble: boolean;
  #memory: MemoryLimit | undefined;
  #current: Current | undefined;
  #calls = 0;
  #stderrTail = '';
  /** In the current call. */
  #saidBytes = 0;
  #killedBecause: string | undefined;
  #hasEnded = false;
  #onLoaded: { resolve(): void; reject(error: OpspawnError): void } | undefined;

  /** Throws `isolation_unavailable` or `config_invalid` when its tier cannot be given. */
  constructor(options: ToolProcessOptions) {
    this.#options = options;
    this.#launch = launchOf(options);
    const { args, input, announcesPid } = this.#launch;
    this.#group = new ProcessGroup({ command: '/bin/sh', args, env: {}, input });
    this.pid = this.#group.pid;
    this.#limitedPid = announcesPid ? undefined : this.pid;
    this.#isPreamble = announcesPid;
    this.ready = new Promise((resolve, reject) => {
      this.#onLoaded = { resolve, reject };
    });
    // Whoever waits for it handles it; a process may also end with nobody waiting.
    this.ready.catch(() => {});
    readLines(this.#group.stdout, {
      maxLineBytes: options.maxReplyBytes,
      onLine: (line, cut) => (cut ? this.kill('sent too large a reply') : this.#receive(line)),
    });
    this.#group.stdout.on('data', (chunk: Buffer) => this.#count(chunk));
    this.#group.stderr.on('data', (chunk: Buffer) => {
      this.#count(chunk);
      this.#stderrTail = (this.#stderrTail + chunk.toString('latin1')).slice(-4_000);
    });
    this.ended = this.#group.ended.then((how) => this.#end(how));
  }

  /** Whether `ready` has fulfilled. */
  get isReady(): boolean {
    return this.#isLoaded;
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
    const { signal, callId, idempotencyKey, secrets, context } = call.context;
    signal.throwIfAborted();
    this.#calls += 1;
    this.#saidBytes = 0;
    const id = this.#calls;
    const answer = new Promise<Json | undefined>((resolve, reject) => {
      this.#current = { id, call, told: 0, resolve, reject };
    });
    let grace: NodeJS.Timeout | undefined;
    const abort = (): void => {
      grace = this.#abort(id, signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    const memory = this.#memory?.watch(() => this.kill(this.#memoryExceeded()));
    try {
      if (this.#hasEnded) throw this.#failure(call.tool, 'its process has ended');
      const given = { secrets, context, maxOutputBytes };
      this.#send({ type: 'call', call: id, input, callId, idempotencyKey, ...given });
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
    if (this.#isPreamble) {
      this.#readPreamble(line);
      return;
    }
    const parsed = processReplySchema.safeParse(parseJson(line));
    if (!parsed.success) {
      this.kill('sent a reply that cannot be understood');
      return;
    }
    const reply = parsed.data;
    switch (reply.type) {
      case 'started':
        if (!this.#hasStarted) void this.#load();
        return;
      case 'loaded':
        this.#isLoaded = true;
        this.#onLoaded?.resolve();
        return;
      case 'progress':
        if (this.#isCurrent(reply.call)) this.#progress(reply.message);
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

  /** Reading costs this process time too. */
  #count(chunk: Buffer): void {
    this.#saidBytes += chunk.length;
    if (!this.#launch.isTrusted && this.#saidBytes > this.#options.maxReplyBytes + maxChatterBytes)
      this.kill('was killed: it wrote too much');
  }

  /** bubblewrap's `--info-fd`: written before the process in it begins, so that nothing in it can say this. */
  #readPreamble(line: string): void {
    const pid = /"child-pid": (\d+)/.exec(line)?.[1];
    if (pid !== undefined) this.#limitedPid = Number(pid);
    this.#isPreamble = !line.startsWith('}');
  }

  #progress(message: string): void {
    if (this.#current === undefined || this.#current.told >= maxProgressMessages) return;
    this.#current.told += 1;
    this.#current.call.context.progress(message.slice(0, maxProgressLength));
  }

  #receiveFailure({ call, error }: Extract<ProcessReply, { type: 'failed' }>): void {
    if (call !== undefined) {
      if (this.#isCurrent(call)) this.#current?.reject(this.#errorOf(this.#current.call.tool, error));
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
    this.#hasStarted = true;
    try {
      if (this.#limitedPid !== undefined) this.#memory = await this.#launch.limit(this.#limitedPid);
      this.#send({ type: 'load', module: this.#options.module.href });
    } catch (thrown) {
      this.#onLoaded?.reject(toOpspawnError(thrown));
      this.kill('could not be limited');
    }
  }

  #end(how: string): void {
    this.#hasEnded = true;
    const reason = this.#killedBecause ?? this.#diagnose(how);
    const unavailable =
      this.#hasStarted || this.#killedBecause ? undefined : this.#launch.explain(this.#stderrTail);
    if (unavailable !== undefined) this.#onLoaded?.reject(unavailable);
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

  /** The tool's error as it would have been thrown here. Of a code that nobody trusts, only that it failed. */
  #errorOf(tool: string, { message: said, code, retryable }: ProcessFailure): OpspawnError {
    const options = { details: { tool }, ...(retryable === undefined ? {} : { retryable }) };
    const message = said.slice(0, maxMessageLength);
    if (code === 'not_json')
      return new OpspawnError(
        'tool_failed',
        `The result of the tool ${tool} is no JSON: ${message}`,
        options,
      );
    if (code !== undefined && Object.hasOwn(errorCodes, code) && this.#launch.isTrusted)
      return new OpspawnError(code as ErrorCode, message, options);
    return new OpspawnError('tool_failed', `The tool ${tool} failed: ${message}`, options);
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
