import { createHash, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type Branch, Branches } from './branches.ts';
import { abortSignal, callable, checkOptions, having } from './check-options.ts';
import { type Clock, systemClock } from './clock.ts';
import { describeThrown, isOpspawnError, OpspawnError, recordError, StepError } from './errors.ts';
import type { AgentEvent, EventSink } from './event.ts';
import { assertJson, copyJson, type Json } from './json.ts';
import { memoryBudget } from './memory-budget.ts';
import { defaultRetry, retryDelayMs, retrySchema } from './retry.ts';
import { runWithin, stopError } from './run/run-within.ts';
import type {
  BranchSet,
  Budget,
  BudgetAmount,
  ChildRequest,
  Decision,
  LogLevel,
  RetryPolicy,
  StepContext,
  StepOptions,
  StepRecord,
  Steps,
  WaitRequest,
} from './steps.ts';
import { tell } from './tell.ts';

export type ApprovalRequest = Extract<WaitRequest, { kind: 'approval' }>;
export type QuestionRequest = Extract<WaitRequest, { kind: 'question' }>;

export interface MemoryStepsOptions {
  /** Default: a new UUID. */
  taskId?: string;
  /** Default `default`. */
  namespace?: string;
  /** Stops the run: open calls reject with `cancelled`, or with the reason when it is an OpspawnError. */
  signal?: AbortSignal;
  /** What `emit` is told. */
  onEvent?: EventSink;
  onLog?: (level: LogLevel, message: string, fields: Record<string, Json>) => void;
  /** Answers approvals. Without it they are `config_invalid`. */
  onApproval?: (request: ApprovalRequest, signal: AbortSignal) => Decision | Promise<Decision>;
  /** Answers questions. Without it they are `config_invalid`. */
  onQuestion?: (request: QuestionRequest, signal: AbortSignal) => Json | Promise<Json>;
  /** Runs child tasks. Without it they are `config_invalid`. */
  onChild?: (request: ChildRequest, signal: AbortSignal) => Promise<Json | undefined>;
  /** What all steps together may use, or a budget that others share. Default: no bound. */
  budget?: BudgetAmount | Budget;
  /** Of steps that bring none. Default: 3 tries. */
  retry?: Partial<RetryPolicy>;
  clock?: Clock;
}

/** Steps of a run that lives and dies with this process: nothing is stored, nothing is replayed. */
export interface MemorySteps extends Steps {
  /** Sends a signal. It is kept until somebody waits for it. */
  send(name: string, payload?: Json): void;
}

const amount = z.number().nonnegative().optional();
export const memoryStepsSchema = z.strictObject({
  taskId: z.string().optional(),
  namespace: z.string().optional(),
  signal: abortSignal.optional(),
  onEvent: callable.optional(),
  onLog: callable.optional(),
  onApproval: callable.optional(),
  onQuestion: callable.optional(),
  onChild: callable.optional(),
  budget: z
    .union(
      [having<Budget>('reserve', 'settle'), z.strictObject({ tokens: amount, costMicroUsd: amount })],
      'must be a budget, or tokens and costMicroUsd',
    )
    .optional(),
  retry: retrySchema.optional(),
  clock: having<Clock>('now', 'after').optional(),
} satisfies Record<keyof MemoryStepsOptions, z.ZodType>);

/** Throws `config_invalid`, naming the path, for options that are not known or not right. */
export function memorySteps(options: MemoryStepsOptions = {}): MemorySteps {
  checkOptions('An option of the steps', memoryStepsSchema, options);
  return new InMemorySteps(options);
}

class InMemorySteps implements MemorySteps {
  readonly taskId: string;
  readonly namespace: string;
  readonly signal: AbortSignal;
  readonly budget: Budget;
  readonly #options: MemoryStepsOptions;
  readonly #clock: Clock;
  readonly #branches: Branches;
  readonly #records: StepRecord[] = [];
  readonly #mailboxes = new Map<string, Mailbox>();
  #now: number;

  constructor(options: MemoryStepsOptions) {
    this.#options = options;
    this.taskId = options.taskId ?? randomUUID();
    this.namespace = options.namespace ?? 'default';
    this.signal = options.signal ?? new AbortController().signal;
    this.budget =
      options.budget && 'reserve' in options.budget ? options.budget : memoryBudget(options.budget);
    this.#clock = options.clock ?? systemClock;
    this.#branches = new Branches(this.signal);
    this.#now = this.#clock.now();
  }

  async run<T>(
    name: string,
    fn: (step: StepContext) => T | Promise<T>,
    options: StepOptions<T> = {},
  ): Promise<T> {
    const branch = this.#branches.enter(name);
    const count = branch.count(name);
    if (options.isInDoubt && options.onUnknown !== 'retry') throw inDoubt(name);
    const tries = async (): Promise<T> => {
      for (let tryNumber = 1; ; tryNumber += 1) {
        try {
          return await this.#try({ branch, name, count, tryNumber }, fn, options.timeoutMs);
        } catch (thrown) {
          if (branch.signal.aborted) throw stopError(branch.signal);
          const delayMs = retryDelayMs(this.#retryOf(options), tryNumber, thrown);
          if (delayMs === undefined) throw new StepError(name, recordError(thrown), thrown);
          await this.#sleep(branch, delayMs);
        }
      }
    };
    return this.#record({ branch, name, count, kind: options.kind ?? 'step' }, tries);
  }

  async wait(request: WaitRequest): Promise<Json | undefined> {
    const name = request.name ?? request.kind;
    const branch = this.#branches.enter(name);
    const step = { branch, name, count: branch.count(name), kind: request.kind };
    return this.#record(step, () => this.#answer(branch, request));
  }

  async child(request: ChildRequest): Promise<Json | undefined> {
    const { name, step: stepName = name } = request;
    const branch = this.#branches.enter(stepName);
    const step = { branch, name: stepName, count: branch.count(stepName), kind: 'child' as const };
    const { onChild } = this.#options;
    if (onChild === undefined) throw unanswered('Child tasks', 'onChild');
    return this.#record(step, async () => {
      try {
        return await this.#within(branch, stepName, (signal) => onChild(request, signal), request.timeoutMs);
      } catch (thrown) {
        if (branch.signal.aborted) throw stopError(branch.signal);
        throw new StepError(stepName, recordError(thrown), thrown);
      }
    });
  }

  branch(kind: 'all' | 'map' | 'race', count: number): BranchSet {
    return this.#branches.open(kind, count);
  }

  history(): readonly StepRecord[] {
    return this.#records;
  }

  emit(event: AgentEvent): void {
    const { onEvent } = this.#options;
    if (onEvent !== undefined) tell(() => onEvent(copyJson(event)));
  }

  log(level: LogLevel, message: string, fields: Record<string, Json> = {}): void {
    tell(() => this.#options.onLog?.(level, message, fields));
  }

  now(): number {
    return this.#now;
  }

  random(): number {
    return Math.random();
  }

  uuid(): string {
    return randomUUID();
  }

  send(name: string, payload?: Json): void {
    this.#mailbox(name).put(payload);
  }

  /** Keeps how a step ended. In a closed branch it never ends. */
  async #record<T>(step: RecordedStep, fn: () => Promise<T>): Promise<T> {
    const { branch, name, count, kind } = step;
    if (branch.isClosed()) return never();
    const startedAt = this.#clock.now();
    const keep = (outcome: StepRecord['outcome']): void => {
      this.#now = this.#clock.now();
      const seq = this.#records.length + 1;
      const finishedAt = this.#now;
      this.#records.push({ seq, branch: branch.id, name, count, kind, outcome, startedAt, finishedAt });
    };
    try {
      const value = await fn();
      if (branch.isClosed()) return await never<T>();
      keep({ ok: true, value: value as Json | undefined });
      return value;
    } catch (thrown) {
      if (branch.isClosed()) return await never<T>();
      if (!branch.signal.aborted) keep({ ok: false, error: recordError(thrown) });
      throw thrown;
    }
  }

  async #try<T>(tried: TriedStep, fn: (step: StepContext) => T | Promise<T>, timeoutMs?: number): Promise<T> {
    const { branch, name } = tried;
    const value = await this.#within(
      branch,
      name,
      (signal) =>
        this.#branches.within(branch, name, () => fn(new MemoryStepContext(this.taskId, tried, signal))),
      timeoutMs,
    );
    assertJson(value, `the result of ${name}`);
    return value;
  }

  #within<T>(
    branch: Branch,
    what: string,
    fn: (signal: AbortSignal) => T | Promise<T>,
    timeoutMs?: number,
  ): Promise<T> {
    return runWithin({ what, signal: branch.signal, clock: this.#clock, timeoutMs }, fn);
  }

  #sleep(branch: Branch, ms: number): Promise<void> {
    return this.#within(branch, 'sleep', (signal) => sleep(this.#clock, ms, signal));
  }

  #answer(branch: Branch, request: WaitRequest): Promise<Json | undefined> {
    if (request.kind === 'sleep') return this.#sleep(branch, request.ms) as Promise<undefined>;
    const answer = async (signal: AbortSignal): Promise<Json | undefined> => {
      switch (request.kind) {
        case 'signal':
          return await this.#mailbox(request.name).take(signal);
        case 'approval':
          if (this.#options.onApproval === undefined) throw unanswered('Approvals', 'onApproval');
          return cleaned(request, {
            ...(await ofHook('onApproval', () => this.#options.onApproval?.(request, signal))),
          });
        case 'question':
          if (this.#options.onQuestion === undefined) throw unanswered('Questions', 'onQuestion');
          return cleaned(
            request,
            json(
              await ofHook('onQuestion', () => this.#options.onQuestion?.(request, signal)),
              `the answer to ${request.name}`,
            ),
          );
        default:
          throw request satisfies never;
      }
    };
    return this.#within(branch, request.name, answer, request.timeoutMs);
  }

  #mailbox(name: string): Mailbox {
    const mailbox = this.#mailboxes.get(name) ?? new Mailbox();
    this.#mailboxes.set(name, mailbox);
    return mailbox;
  }

  #retryOf({ effect, retry }: Pick<StepOptions<unknown>, 'effect' | 'retry'>): RetryPolicy {
    const base = { ...defaultRetry, ...this.#options.retry };
    return { ...base, ...(effect === 'once' ? { maxAttempts: 1 } : {}), ...retry };
  }
}

interface RecordedStep {
  branch: Branch;
  name: string;
  count: number;
  kind: StepRecord['kind'];
}

interface TriedStep extends Omit<RecordedStep, 'kind'> {
  tryNumber: number;
}

class MemoryStepContext implements StepContext {
  readonly signal: AbortSignal;
  readonly tryNumber: number;
  readonly #taskId: string;
  readonly #identity: readonly [branch: string, name: string, count: number];

  constructor(taskId: string, { branch, name, count, tryNumber }: TriedStep, signal: AbortSignal) {
    this.signal = signal;
    this.tryNumber = tryNumber;
    this.#taskId = taskId;
    this.#identity = [branch.id, name, count];
  }

  /** Hashed when it is asked for: most steps never do. */
  get idempotencyKey(): string {
    const hash = createHash('sha256').update(JSON.stringify(this.#identity)).digest('base64url');
    return `${this.#taskId}:${hash}`;
  }
}

/** Signals of one name, first come, first served. */
class Mailbox {
  readonly #payloads: (Json | undefined)[] = [];
  readonly #waiting = new Set<(payload: Json | undefined) => void>();

  put(payload: Json | undefined): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#payloads.push(payload);
      return;
    }
    this.#waiting.delete(next);
    next(payload);
  }

  take(signal: AbortSignal): Promise<Json | undefined> {
    if (this.#payloads.length > 0) return Promise.resolve(this.#payloads.shift());
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
      signal.addEventListener('abort', () => this.#waiting.delete(resolve), { once: true });
    });
  }
}

const never = <T>(): Promise<T> => new Promise<T>(() => {});

const sleep = (clock: Clock, ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', clock.after(ms, resolve), { once: true });
  });

/** Nobody can be asked about it here. */
const inDoubt = (name: string): StepError => {
  const message = `${JSON.stringify(name)} may or may not have been done`;
  return new StepError(name, recordError(new OpspawnError('effect_in_doubt', message)));
};

/** What it throws and is no error of ours is told with whose it is. */
async function ofHook<T>(name: string, fn: () => T | Promise<T>): Promise<T> {
  try {
    return await fn();
  } catch (thrown) {
    if (isOpspawnError(thrown)) throw thrown;
    throw new OpspawnError('internal', `${name} failed: ${describeThrown(thrown)}`, { cause: thrown });
  }
}

const cleaned = <T extends Json | undefined>({ redact }: ApprovalRequest | QuestionRequest, said: T): T =>
  redact === undefined ? said : redact(said);

function json(value: unknown, what: string): Json | undefined {
  assertJson(value, what);
  return value;
}

const unanswered = (what: string, option: string): OpspawnError =>
  new OpspawnError('config_invalid', `${what} need the option ${option}`, { details: { option } });
