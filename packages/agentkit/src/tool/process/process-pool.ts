import { availableParallelism } from 'node:os';
import { OpspawnError } from '../../errors.ts';
import type { Json } from '../../json.ts';
import { type ProcessCall, ToolProcess } from './tool-process.ts';

export interface ProcessPoolOptions {
  /** How many processes there are at most, of all modules. Further calls wait. Default: twice the processors, at least 4. */
  maxProcesses?: number;
  /** A process that was not used for so long is ended, in ms. Default 60,000. */
  idleMs?: number;
  /** `watched`: do not let the kernel enforce memory limits, even where it can. Default `auto`. */
  memoryLimit?: 'auto' | 'watched';
}

/** A call with what it needs of a process. */
export interface PooledCall extends ProcessCall {
  module: URL;
  /** What the process may use beyond an empty one, in MB. */
  memoryMb: number;
}

export interface PooledProcess {
  pid: number | undefined;
  module: string;
  state: 'busy' | 'idle';
  /** Whether the kernel refuses it more memory or it is watched and killed; undefined while it starts. */
  memoryLimit: 'refused' | 'watched' | undefined;
}

/**
 * Warm processes of the `process` tier. Calls of a module (with one memory limit) use its processes again and again,
 * one call at a time: what a module keeps in its variables outlives a call, and is gone when its process is killed.
 * Processes that are idle do not keep this process from ending, and none outlives it, however it ends.
 */
export interface ProcessPool extends AsyncDisposable {
  /**
   * Throws what the tool threw, `tool_failed` when its process died, `isolation_unavailable` where there are no POSIX
   * processes, `unavailable` after disposal, or what aborted the call's signal.
   */
  run(call: PooledCall): Promise<Json | undefined>;
  processes(): readonly PooledProcess[];
}

export function createProcessPool(options: ProcessPoolOptions = {}): ProcessPool {
  return new WarmPool(options);
}

let shared: ProcessPool | undefined;

/** The pool of whoever brings none: one for this process, as the processors that it shares out are. */
export function sharedProcessPool(): ProcessPool {
  shared ??= createProcessPool();
  return shared;
}

interface Member {
  key: string;
  module: string;
  process: ToolProcess;
  isBusy: boolean;
  reaper: NodeJS.Timeout | undefined;
}

interface Waiting {
  call: PooledCall;
  resolve(member: Member): void;
  reject(error: unknown): void;
}

class WarmPool implements ProcessPool {
  /** Those idle for longest first. */
  readonly #members = new Set<Member>();
  readonly #waiting = new Set<Waiting>();
  readonly #maxProcesses: number;
  readonly #idleMs: number;
  readonly #mayRefuseMemory: boolean;
  #isClosed = false;

  constructor({ maxProcesses, idleMs = 60_000, memoryLimit = 'auto' }: ProcessPoolOptions) {
    this.#maxProcesses = maxProcesses ?? Math.max(4, 2 * availableParallelism());
    this.#idleMs = idleMs;
    this.#mayRefuseMemory = memoryLimit === 'auto';
  }

  processes(): readonly PooledProcess[] {
    return [...this.#members].map(({ process: { pid, memoryLimit }, module, isBusy }) => ({
      pid,
      module,
      state: isBusy ? 'busy' : 'idle',
      memoryLimit,
    }));
  }

  async run(call: PooledCall): Promise<Json | undefined> {
    if (process.platform === 'win32') {
      throw new OpspawnError(
        'isolation_unavailable',
        'The process tier needs a POSIX system: /bin/sh and process groups',
      );
    }
    call.context.signal.throwIfAborted();
    const member = this.#take(call) ?? (await this.#wait(call));
    try {
      await member.process.ready;
      return await member.process.call(call);
    } finally {
      this.#giveBack(member);
    }
  }

  /** A process for the call, or undefined when it must wait for one. */
  #take(call: PooledCall): Member | undefined {
    if (this.#isClosed) throw new OpspawnError('unavailable', 'The process pool is closed');
    const key = `${call.memoryMb} ${call.module.href}`;
    const idle = [...this.#members].filter(({ isBusy, process }) => !isBusy && process.isAlive);
    const warm = idle.filter((member) => member.key === key).at(-1);
    if (warm !== undefined) return this.#occupy(warm);
    if (this.#members.size >= this.#maxProcesses) {
      const [oldest] = idle;
      if (oldest === undefined) return undefined;
      this.#end(oldest);
    }
    return this.#occupy(this.#start(call, key));
  }

  #start({ module, memoryMb }: PooledCall, key: string): Member {
    const process = new ToolProcess({ module, memoryMb, mayRefuseMemory: this.#mayRefuseMemory });
    const member: Member = { key, module: module.href, process, isBusy: true, reaper: undefined };
    this.#members.add(member);
    void process.ended.then(() => {
      clearTimeout(member.reaper);
      this.#members.delete(member);
      this.#serveNext();
    });
    return member;
  }

  #occupy(member: Member): Member {
    clearTimeout(member.reaper);
    member.isBusy = true;
    member.process.keepAlive(true);
    return member;
  }

  #giveBack(member: Member): void {
    if (!member.process.isAlive) return;
    member.isBusy = false;
    this.#members.delete(member);
    this.#members.add(member);
    member.process.keepAlive(false);
    member.reaper = setTimeout(() => this.#end(member), this.#idleMs).unref();
    this.#serveNext();
  }

  #end(member: Member): void {
    clearTimeout(member.reaper);
    this.#members.delete(member);
    member.process.kill('was ended: it was idle');
  }

  #wait(call: PooledCall): Promise<Member> {
    const { signal } = call.context;
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { call, resolve, reject };
      const leave = (): void => {
        this.#waiting.delete(waiting);
        reject(signal.reason);
      };
      waiting.resolve = (member) => {
        signal.removeEventListener('abort', leave);
        resolve(member);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.add(waiting);
    });
  }

  /** In the order in which they came. */
  #serveNext(): void {
    for (const waiting of this.#waiting) {
      if (this.#isClosed) return;
      const member = this.#take(waiting.call);
      if (member === undefined) return;
      this.#waiting.delete(waiting);
      waiting.resolve(member);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const { reject } of this.#waiting)
      reject(new OpspawnError('unavailable', 'The process pool is closed'));
    this.#waiting.clear();
    const members = [...this.#members];
    for (const { process } of members) process.kill('was ended: its pool was closed');
    await Promise.all(members.map(({ process }) => process.ended));
  }
}
