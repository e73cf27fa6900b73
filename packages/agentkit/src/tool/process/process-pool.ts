import { availableParallelism } from 'node:os';
import { OpspawnError } from '../../errors.ts';
import type { Json } from '../../json.ts';
import type { SandboxAccess } from '../sandbox/sandbox-access.ts';
import { type ProcessCall, ToolProcess } from './tool-process.ts';

export interface ProcessPoolOptions {
  /** How many processes there are at most, of all modules. Further calls wait. Default: twice the processors, at least 4. */
  maxProcesses?: number;
  /** A process that was not used for so long is ended, in ms. Default 60,000. */
  idleMs?: number;
  /**
   * How many fresh processes stand ready for the next calls of a module whose processes serve one call each, at least: as
   * many as were busy side by side. Default 2, so that a call directly after another finds one too.
   */
  spares?: number;
  /** `watched`: do not let the kernel enforce memory limits, even where it can. Default `auto`. */
  memoryLimit?: 'auto' | 'watched';
}

/** A call with what it needs of a process. */
export interface PooledCall extends ProcessCall {
  module: URL;
  /** What the process may use beyond an empty one, in MB. */
  memoryMb: number;
  /** Present: the `sandbox` tier. Default: the `process` tier. */
  sandbox?: SandboxAccess | undefined;
  /**
   * `call`: a process serves one call and is ended, and a fresh one is started for the next. `always`: it serves one
   * after the other, and what its module keeps in variables outlives a call. Default: `call` in a sandbox.
   */
  reuse?: 'call' | 'always' | undefined;
}

export interface PooledProcess {
  pid: number | undefined;
  module: string;
  /** `starting`: nobody has it, and a call would wait until its module is loaded. */
  state: 'busy' | 'idle' | 'starting';
  /** Whether the kernel refuses it more memory or it is watched and killed; undefined while it starts. */
  memoryLimit: 'refused' | 'watched' | undefined;
}

/**
 * Warm processes of the tiers `process` and `sandbox`, each for one module with one memory limit and one access, and
 * for one call at a time. Processes that are idle do not keep this process from ending, and none outlives it, however it ends.
 */
export interface ProcessPool extends AsyncDisposable {
  /**
   * Throws what the tool threw, `tool_failed` when its process died, `isolation_unavailable` where this machine cannot
   * give the tier, `unavailable` after disposal, or what aborted the call's signal.
   */
  run(call: PooledCall): Promise<Json | undefined>;
  processes(): readonly PooledProcess[];
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

/** To start a process costs this one tens of ms of its own time, which a call that is under way would wait for. */
const quietMs = 50;
const trustedReplyBytes = 256 * 1024 * 1024;
const replyOverheadBytes = 64 * 1024;

const reuseOf = ({ reuse, sandbox }: PooledCall): 'call' | 'always' =>
  reuse ?? (sandbox === undefined ? 'always' : 'call');

/** Calls with the same one are served by the same processes. */
const keyOf = ({ module, memoryMb, sandbox, maxOutputBytes, reuse }: PooledCall): string =>
  JSON.stringify([module.href, memoryMb, reuse, ...(sandbox === undefined ? [] : [maxOutputBytes, sandbox])]);

/** A module may never be loaded to its end; its process must not stay taken by a call that is over. */
async function untilReady(process: ToolProcess, { context: { signal } }: PooledCall): Promise<void> {
  const giveUp = (): void => process.kill('was killed: its module was not loaded in time');
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    await process.ready;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

export class WarmPool implements ProcessPool {
  /** Those idle for longest first. */
  readonly #members = new Set<Member>();
  readonly #waiting = new Set<Waiting>();
  /** The end of every process that was started and is not gone. */
  readonly #ending = new Set<Promise<void>>();
  readonly #maxProcesses: number;
  readonly #idleMs: number;
  readonly #spares: number;
  /** How many of those that serve one call were busy side by side, by key, while there are any. */
  readonly #peaks = new Map<string, number>();
  /** By key: spares that are to be started in a moment. */
  readonly #refills = new Map<string, NodeJS.Timeout>();
  readonly #mayRefuseMemory: boolean;
  #isClosed = false;

  constructor({ maxProcesses, idleMs = 60_000, memoryLimit = 'auto', spares = 2 }: ProcessPoolOptions) {
    this.#spares = spares;
    this.#maxProcesses = maxProcesses ?? Math.max(4, 2 * availableParallelism());
    this.#idleMs = idleMs;
    this.#mayRefuseMemory = memoryLimit === 'auto';
  }

  processes(): readonly PooledProcess[] {
    return [...this.#members].map(({ process: { pid, memoryLimit, isReady }, module, isBusy }) => ({
      pid,
      module,
      state: isBusy ? 'busy' : isReady ? 'idle' : 'starting',
      memoryLimit,
    }));
  }

  async run(call: PooledCall): Promise<Json | undefined> {
    call.context.signal.throwIfAborted();
    const member = this.#take(call) ?? (await this.#wait(call));
    try {
      await untilReady(member.process, call);
      return await member.process.call(call);
    } finally {
      if (reuseOf(call) === 'always') this.#giveBack(member);
      else this.#replace(member, call);
    }
  }

  /** A process for the call, or undefined when it must wait for one. */
  #take(call: PooledCall): Member | undefined {
    if (this.#isClosed) throw new OpspawnError('unavailable', 'The process pool is closed');
    const key = keyOf(call);
    const idle = [...this.#members].filter(({ isBusy, process }) => !isBusy && process.isAlive);
    const mine = idle.filter((member) => member.key === key);
    const warm = mine.filter(({ process }) => process.isReady).at(-1) ?? mine[0];
    if (warm !== undefined) return this.#occupy(warm);
    if (this.#members.size >= this.#maxProcesses) {
      const [oldest] = idle;
      if (oldest === undefined) return undefined;
      this.#end(oldest);
    }
    return this.#occupy(this.#start(call, key));
  }

  #start({ module, memoryMb, sandbox, maxOutputBytes }: PooledCall, key: string): Member {
    const process = new ToolProcess({
      module,
      memoryMb,
      sandbox,
      mayRefuseMemory: this.#mayRefuseMemory,
      maxReplyBytes: sandbox === undefined ? trustedReplyBytes : maxOutputBytes + replyOverheadBytes,
    });
    const member: Member = { key, module: module.href, process, isBusy: true, reaper: undefined };
    this.#members.add(member);
    const gone = process.ended.then(() => {
      clearTimeout(member.reaper);
      this.#members.delete(member);
      if (this.#ofKey(member.key).length === 0) this.#peaks.delete(member.key);
      this.#ending.delete(gone);
      this.#serveNext();
    });
    this.#ending.add(gone);
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

  /**
   * Ends what served its call. Spares are started afterwards, so that the call need not wait for that; nor need one that
   * comes directly after it, while there is a process for it.
   */
  #replace(member: Member, call: PooledCall): void {
    const busy = this.#ofKey(member.key).filter(({ isBusy }) => isBusy).length;
    this.#peaks.set(member.key, Math.max(busy, this.#peaks.get(member.key) ?? 0));
    this.#members.delete(member);
    member.process.kill('was ended: its call was over');
    this.#refill(call, member.key);
    this.#serveNext();
  }

  #refill(call: PooledCall, key: string): void {
    const hasSpare = this.#ofKey(key).some(({ isBusy, process }) => !isBusy && process.isReady);
    if (!hasSpare) setImmediate(() => this.#startSpares(call)).unref();
    else if (!this.#refills.has(key))
      this.#refills.set(key, setTimeout(() => this.#startSpares(call), quietMs).unref());
  }

  #startSpares(call: PooledCall): void {
    const key = keyOf(call);
    clearTimeout(this.#refills.get(key));
    this.#refills.delete(key);
    const wanted = Math.max(this.#spares, this.#peaks.get(key) ?? 0);
    try {
      while (
        !this.#isClosed &&
        this.#members.size < this.#maxProcesses &&
        this.#ofKey(key).filter(({ isBusy }) => !isBusy).length < wanted
      )
        this.#giveBack(this.#start(call, key));
    } catch {
      // The next call finds the same, and tells it.
    }
  }

  #ofKey(key: string): Member[] {
    return [...this.#members].filter((member) => member.key === key);
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
      try {
        const member = this.#take(waiting.call);
        if (member === undefined) return;
        this.#waiting.delete(waiting);
        waiting.resolve(member);
      } catch (thrown) {
        this.#waiting.delete(waiting);
        waiting.reject(thrown);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#refills.values()) clearTimeout(timer);
    for (const { reject } of this.#waiting)
      reject(new OpspawnError('unavailable', 'The process pool is closed'));
    this.#waiting.clear();
    for (const { process } of this.#members) {
      process.keepAlive(true); // whoever waits for this may have nothing else to wait for
      process.kill('was ended: its pool was closed');
    }
    await Promise.all(this.#ending);
  }
}
