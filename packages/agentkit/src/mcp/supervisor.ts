import { setTimeout as sleep } from 'node:timers/promises';
import { OpspawnError } from '../errors.ts';
import type { Connection } from './connection.ts';
import type { ConnectionOptions } from './connection-options.ts';
import type { McpServerStatus } from './mcp-host.ts';
import { untilAborted } from './until-aborted.ts';

export type SupervisorOptions = Omit<ConnectionOptions, 'isLegacy'>;

/**
 * Keeps one server running from its first use on: starts it once for all who ask, and after a crash or a failed start
 * again, with exponential backoff, until `restart.maxAttempts` starts in a row have failed. Then it is `failed`, and
 * the first use after `restart.maxDelayMs` begins anew. One that wants a person to log in is `failed` until its next use.
 */
export class Supervisor implements AsyncDisposable {
  readonly #options: SupervisorOptions;
  readonly #disposal = new AbortController();
  #state: McpServerStatus['state'] = 'stopped';
  #starts = 0;
  #failuresInRow = 0;
  #lastError: OpspawnError | undefined;
  #connection: Connection | undefined;
  /** All that may still have requests under way. */
  readonly #opened = new Set<Connection>();
  /** The start that is under way or waits for its time. */
  #pending: Promise<Connection> | undefined;
  #failedUntil = 0;
  #isLegacy = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  get status(): McpServerStatus {
    const pid = this.#connection?.pid;
    return {
      name: this.#options.server,
      state: this.#state,
      restarts: Math.max(0, this.#starts - 1),
      ...(pid !== undefined && { pid }),
      ...(this.#state !== 'ready' && this.#lastError !== undefined && { error: this.#lastError.message }),
    };
  }

  /** The running server, started if need be. Throws `mcp_failed` as soon as a start fails, or the signal's reason. */
  async connection(signal?: AbortSignal): Promise<Connection> {
    signal?.throwIfAborted();
    if (this.#disposal.signal.aborted) throw this.#error('the host is closed');
    const open = this.#state === 'ready' ? this.#connection : undefined;
    if (open !== undefined && !open.isFailing) return open;
    if (open !== undefined) await untilAborted(open.closed, signal);
    if (this.#pending === undefined) {
      const waitMs = this.#failedUntil - performance.now();
      if (waitMs > 0) throw this.#error(`given up for now; last: ${this.#lastError?.message}`, waitMs);
      this.#failuresInRow = 0;
    }
    return untilAborted(this.#pending ?? this.#start(0), signal);
  }

  #start(delayMs: number): Promise<Connection> {
    const pending = this.#openAfter(delayMs);
    this.#pending = pending;
    // whoever waits for it gets the error; nobody need wait
    pending.catch(() => {});
    return pending;
  }

  async #openAfter(delayMs: number): Promise<Connection> {
    const disposed = this.#disposal.signal;
    try {
      await sleep(delayMs, undefined, { signal: disposed });
      this.#state = 'starting';
      this.#starts += 1;
      const connection = await this.#open(this.#isLegacy);
      disposed.throwIfAborted();
      this.#state = 'ready';
      this.#pending = undefined;
      this.#watch(connection);
      return connection;
    } catch (cause) {
      const error =
        cause instanceof OpspawnError
          ? cause
          : this.#error(disposed.aborted ? 'the host is closed' : String(cause));
      this.#fail(error, this.#failuresInRow + 1);
      throw error;
    }
  }

  async #open(isLegacy: boolean): Promise<Connection> {
    // the library takes over 100 ms to load, which nobody pays who uses no server
    const { Connection } = await import('./connection.ts');
    this.#disposal.signal.throwIfAborted();
    const connection = new Connection({ ...this.#options, isLegacy });
    this.#connection = connection;
    try {
      await connection.open();
    } catch (error) {
      if (isLegacy || !connection.diedAtProbe || this.#disposal.signal.aborted) throw error;
      return this.#open(true);
    }
    this.#isLegacy = connection.isLegacy;
    return connection;
  }

  #watch(connection: Connection): void {
    const readyAt = performance.now();
    this.#opened.add(connection);
    void connection.ended.then(() => this.#opened.delete(connection));
    void connection.closed.then((reason = 'closed the connection') => {
      const wasStable = performance.now() - readyAt > this.#options.config.restart.maxDelayMs;
      this.#fail(this.#error(reason), wasStable ? 1 : this.#failuresInRow + 1);
    });
  }

  #fail(error: OpspawnError, failuresInRow: number): void {
    this.#connection = undefined;
    this.#pending = undefined;
    this.#failuresInRow = failuresInRow;
    if (this.#disposal.signal.aborted) return;
    this.#lastError = error;
    this.#options.onLine('host', error.message);
    const { maxAttempts, initialDelayMs, factor, maxDelayMs } = this.#options.config.restart;
    const needsPerson = error.details.reason === 'login_required';
    if (needsPerson || failuresInRow >= maxAttempts) {
      this.#state = 'failed';
      this.#failedUntil = needsPerson ? 0 : performance.now() + maxDelayMs;
      return;
    }
    this.#state = 'restarting';
    void this.#start(Math.min(maxDelayMs, initialDelayMs * factor ** (failuresInRow - 1)));
  }

  #error(reason: string, retryAfterMs?: number): OpspawnError {
    const { server } = this.#options;
    return new OpspawnError('mcp_failed', `MCP server ${server}: ${reason}`, {
      details: { server, outcome: 'not_done' },
      ...(retryAfterMs !== undefined && { retryAfterMs: Math.ceil(retryAfterMs) }),
    });
  }

  /** Stops the server. Resolves when nothing of it is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposal.abort();
    const [connection, pending] = [this.#connection, this.#pending];
    await Promise.allSettled([
      connection?.close(),
      pending,
      ...[...this.#opened].map((each) => each.close()),
    ]);
    this.#state = 'stopped';
  }
}
