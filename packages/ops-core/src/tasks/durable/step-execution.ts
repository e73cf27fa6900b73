import {
  defaultRetry,
  encodeJson,
  type RecordedError,
  type RetryPolicy,
  recordError,
  retryDelayMs,
  type StepContext,
  TimeoutError,
} from '@opspawn/agentkit';

/** The longest time a timer of Node holds. */
export const maxTimerMs = 2 ** 31 - 1;

/** The policy of a step: what it says itself, over the definition's, over the default. */
export function retryPolicy(
  isOnce: boolean,
  ofDefinition: Partial<RetryPolicy> | undefined,
  ofStep: Partial<RetryPolicy> | undefined,
): RetryPolicy {
  return { ...defaultRetry, ...ofDefinition, ...(isOnce ? { maxAttempts: 1 } : undefined), ...ofStep };
}

export type StepEnd =
  | { ok: true; text: string | undefined; tries: number }
  | { ok: false; error: RecordedError; thrown: unknown; tries: number };

export interface ExecutionEvents {
  /** Called once, at the final end. */
  ended(end: StepEnd): void;
  /** A try failed and another one follows. */
  retrying(step: string, reason: string): void;
  /** Asked before every try: false makes the execution stop without an end. */
  mayTry(): boolean;
}

export interface ExecutionPlan {
  label: string;
  fn: (step: StepContext) => unknown;
  /** Asked for at most once per try. */
  idempotencyKey: () => string;
  policy: RetryPolicy;
  /** For one try. */
  timeoutMs: number | undefined;
}

/** Runs one step: tries it until it succeeds, fails for good or is aborted. The tries are kept in memory only. */
export class StepExecution {
  readonly #plan: ExecutionPlan;
  readonly #events: ExecutionEvents;
  #tries = 0;
  #current: StepTry | undefined;
  #timer: NodeJS.Timeout | undefined;
  #backoff: { timer: NodeJS.Timeout; thrown: unknown } | undefined;
  #abort: { reason: unknown } | undefined;

  constructor(plan: ExecutionPlan, events: ExecutionEvents) {
    this.#plan = plan;
    this.#events = events;
  }

  start(): void {
    if (!this.#events.mayTry()) return;
    this.#tries += 1;
    const attempt = new StepTry(this.#plan.idempotencyKey, this.#tries);
    this.#current = attempt;
    let returned: unknown;
    try {
      returned = this.#plan.fn(attempt);
    } catch (thrown) {
      this.#failed(attempt, thrown);
      return;
    }
    if (!isThenable(returned)) {
      this.#succeeded(attempt, returned);
      return;
    }
    if (this.#plan.timeoutMs !== undefined) this.#watch(attempt, this.#plan.timeoutMs);
    returned.then(
      (value) => this.#succeeded(attempt, value),
      (thrown: unknown) => this.#failed(attempt, thrown),
    );
  }

  /** Fires the signal; no further try follows. A try that goes on regardless is waited for. */
  abort(reason: unknown): void {
    if (this.#abort !== undefined) return;
    this.#abort = { reason };
    if (this.#backoff !== undefined) {
      clearTimeout(this.#backoff.timer);
      this.#end({ ok: false, ...failure(this.#backoff.thrown), tries: this.#tries });
      return;
    }
    this.#current?.abort(reason);
  }

  #watch(attempt: StepTry, timeoutMs: number): void {
    this.#timer = setTimeout(
      () => {
        const error = new TimeoutError(`Step ${this.#plan.label}`);
        attempt.abort(error);
        this.#failed(attempt, error);
      },
      Math.min(timeoutMs, maxTimerMs),
    );
  }

  #succeeded(attempt: StepTry, value: unknown): void {
    if (attempt !== this.#current) return;
    let text: string | undefined;
    try {
      text = encodeJson(value, `the result of ${this.#plan.label}`);
    } catch (thrown) {
      this.#failed(attempt, thrown);
      return;
    }
    this.#end({ ok: true, text, tries: this.#tries });
  }

  #failed(attempt: StepTry, thrown: unknown): void {
    if (attempt !== this.#current) return;
    const delayMs =
      this.#abort === undefined ? retryDelayMs(this.#plan.policy, this.#tries, thrown) : undefined;
    if (delayMs === undefined) {
      this.#end({ ok: false, ...failure(thrown), tries: this.#tries });
      return;
    }
    this.#release();
    this.#events.retrying(this.#plan.label, thrown instanceof Error ? thrown.message : String(thrown));
    const timer = setTimeout(
      () => {
        this.#backoff = undefined;
        this.start();
      },
      Math.min(delayMs, maxTimerMs),
    );
    this.#backoff = { timer, thrown };
  }

  #end(end: StepEnd): void {
    this.#release();
    this.#events.ended(end);
  }

  /** What comes from the try that just ended, or from one that timed out, is ignored from now on. */
  #release(): void {
    this.#current = undefined;
    this.#backoff = undefined;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** What the code of a step gets for one try. Its signal costs something, so it is made when it is asked for. */
class StepTry implements StepContext {
  readonly tryNumber: number;
  readonly #idempotencyKey: () => string;
  #controller: AbortController | undefined;
  #abort: { reason: unknown } | undefined;

  constructor(idempotencyKey: () => string, tryNumber: number) {
    this.#idempotencyKey = idempotencyKey;
    this.tryNumber = tryNumber;
  }

  get idempotencyKey(): string {
    return this.#idempotencyKey();
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abort !== undefined) this.#controller.abort(this.#abort.reason);
    }
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#abort ??= { reason };
    this.#controller?.abort(reason);
  }
}

const failure = (thrown: unknown): { error: RecordedError; thrown: unknown } => ({
  error: recordError(thrown, 'step_failed'),
  thrown,
});

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
