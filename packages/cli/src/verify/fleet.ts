/** The workers that a fault suite runs, and may do anything to. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { getCompileCacheDir } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { moduleUrl, OpspawnError } from '@opspawn/agentkit';
import type { ClockMessage, WorkerJob } from './worker-process.ts';

export interface FleetOptions {
  size: number;
  /** What each worker's process gets beside this one's environment. */
  environment: Readonly<Record<string, string>>;
  job: WorkerJob;
}

export interface FleetWorker {
  readonly process: ChildProcess;
  /** Exit code or name of the signal. */
  readonly exited: Promise<number | string>;
}

/** Keeps so many workers alive. A worker that ends by itself is an error of the next call. */
export class Fleet implements AsyncDisposable {
  readonly #options: FleetOptions;
  readonly #workers: FleetWorker[] = [];
  readonly #starting = new Set<FleetWorker>();
  readonly #stopped = new Set<FleetWorker>();
  /** What workers wrote to stderr, its last part. */
  #stderr = '';

  private constructor(options: FleetOptions) {
    this.#options = options;
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(options);
    try {
      await Promise.all(Array.from({ length: options.size }, () => fleet.add()));
      return fleet;
    } catch (thrown) {
      await fleet[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** Those that work now. */
  get workers(): readonly FleetWorker[] {
    return this.#workers.filter((worker) => !this.#stopped.has(worker));
  }

  /** Starts one more and waits until it works. */
  async add(): Promise<void> {
    const { environment, job } = this.#options;
    const child = spawn(
      process.execPath,
      [moduleUrl('./worker-process', import.meta.url).pathname, JSON.stringify(job)],
      {
        env: { ...process.env, NODE_COMPILE_CACHE: compileCache(), ...environment },
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      },
    );
    const exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4_000);
    });
    const worker = { process: child, exited };
    this.#starting.add(worker);
    const hasEnded = await Promise.race([exited, once(child.stdout ?? child, 'data').then(() => undefined)]);
    this.#starting.delete(worker);
    if (hasEnded !== undefined) throw this.#failure(hasEnded);
    this.#workers.push(worker);
  }

  /** SIGSTOP, and SIGCONT after that time. */
  async stop(worker: FleetWorker, durationMs: number): Promise<void> {
    this.#stopped.add(worker);
    worker.process.kill('SIGSTOP');
    await sleep(durationMs);
    worker.process.kill('SIGCONT');
    this.#stopped.delete(worker);
  }

  /** Takes it out and ends it. Gives its exit code or the signal. */
  async end(worker: FleetWorker, signal: NodeJS.Signals): Promise<number | string> {
    const index = this.#workers.indexOf(worker);
    if (index !== -1) this.#workers.splice(index, 1);
    worker.process.kill(signal);
    return await worker.exited;
  }

  tell(worker: FleetWorker, message: ClockMessage): void {
    if (worker.process.connected) worker.process.send(message);
  }

  /** Throws when a worker ended that was not told to. */
  check(): void {
    for (const { process: child } of this.#workers) {
      const ended = child.exitCode ?? child.signalCode;
      if (ended !== null) throw this.#failure(ended);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#workers.splice(0), ...this.#starting];
    await Promise.all(all.map((worker) => this.end(worker, 'SIGKILL')));
  }

  #failure(ended: number | string): OpspawnError {
    return new OpspawnError('internal', `A worker ended by itself (${ended}):\n${this.#stderr.trim()}`);
  }
}

/** A worker that lives for seconds should not compile for most of them. */
const compileCache = (): string => getCompileCacheDir() ?? join(tmpdir(), 'node-compile-cache');
