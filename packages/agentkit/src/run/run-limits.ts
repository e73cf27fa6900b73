import { BudgetExceededError, OpspawnError } from '../errors.ts';
import { defaultLimits, type Limits } from '../limits.ts';
import type { Model, ModelPrice } from '../model/model.ts';
import type { BudgetAmount, Steps } from '../steps.ts';
import type { RunProgress } from './run-state.ts';

/**
 * Compares what a run used with what it may use. Throws `BudgetExceededError`, naming which and how far, and `no_progress`
 * for a run that goes in circles.
 */
export class RunLimits {
  readonly #limits: Limits & Record<keyof typeof defaultLimits | 'wallTimeMs', number>;
  readonly #steps: Steps;
  readonly #state: RunProgress;
  #price: ModelPrice | undefined;
  #startedAt: number | undefined;

  constructor(limits: Limits | undefined, steps: Steps, state: RunProgress, model: Model) {
    this.#limits = {
      ...limits,
      turns: limits?.turns ?? defaultLimits.turns,
      toolCalls: limits?.toolCalls ?? defaultLimits.toolCalls,
      repeatedCalls: limits?.repeatedCalls ?? defaultLimits.repeatedCalls,
      idleTurns: limits?.idleTurns ?? defaultLimits.idleTurns,
      children: limits?.children ?? defaultLimits.children,
      childDepth: limits?.childDepth ?? defaultLimits.childDepth,
      handoffs: limits?.handoffs ?? defaultLimits.handoffs,
      wallTimeMs: limits?.wallTimeMs ?? Number.POSITIVE_INFINITY,
    };
    this.#steps = steps;
    this.#state = state;
    this.#startedAt = steps.history()[0]?.startedAt;
    this.useModel(model);
  }

  /** What is reckoned with from now on. Throws `config_invalid` for a model without a price in a run with a cost limit. */
  useModel({ id, price }: Model): void {
    this.#price = price;
    if (this.#limits.costMicroUsd !== undefined && price === undefined) throw unknownPrice(id);
  }

  /** Whether anything bounds what calls use, so that it has to be known beforehand. */
  get areBounded(): boolean {
    const { tokens, costMicroUsd } = this.#limits;
    const left = this.#steps.budget.remaining?.() ?? {};
    return [tokens, costMicroUsd, left.tokens, left.costMicroUsd].some((bound) => bound !== undefined);
  }

  /**
   * Asked before each model call, with what it is about to send. Gives how long the answer may be, in tokens, where a limit
   * of the run bounds it.
   */
  beforeModel(inputTokens = 0): number | undefined {
    const { turns, tokens, costMicroUsd } = this.#limits;
    this.remainingMs();
    within('turns', turns, this.#state.turns, 1);
    const caps: number[] = [];
    if (tokens !== undefined) {
      const used = this.#usedTokens();
      within('tokens', tokens, used, inputTokens + 1);
      caps.push(tokens - used - inputTokens);
    }
    if (costMicroUsd !== undefined) caps.push(this.#affordableTokens(costMicroUsd, inputTokens));
    caps.push(...this.#leftByOthers(inputTokens));
    const cap = Math.min(...caps);
    return Number.isFinite(cap) ? cap : undefined;
  }

  /**
   * What to hold back for a call that sends so much and whose answer has at most so many tokens: both, and what they cost
   * where the price is known.
   */
  reservation(maxOutputTokens: number | undefined, inputTokens = 0): BudgetAmount {
    if (maxOutputTokens === undefined) return {};
    const tokens = inputTokens + maxOutputTokens;
    if (this.#price === undefined) return { tokens };
    const costMicroUsd = Math.ceil((maxOutputTokens * this.#price.outputMicroUsd) / 1_000_000);
    return { tokens, costMicroUsd: costMicroUsd + this.#costOfInput(inputTokens) };
  }

  /** The evidence that the run goes in circles, if it does. */
  get circling(): OpspawnError | undefined {
    return this.#state.repetition.evidence(this.#limits);
  }

  /** Whether a run in circles pauses, where that is possible, in place of failing. */
  get pausesInCircles(): boolean {
    return this.#limits.noProgress === 'pause';
  }

  beforeCalls(count: number): void {
    this.remainingMs();
    within('toolCalls', this.#limits.toolCalls, this.#state.toolCalls, count);
  }

  /** Wall time left, > 0 (Infinity without that limit), counted from the start of the run's first step to its last recorded result. */
  remainingMs(): number {
    this.#startedAt ??= this.#steps.history()[0]?.startedAt;
    return wallTimeLeftMs(this.#limits, this.#steps, this.#startedAt);
  }

  /** For `catch`: a time-out that came because the wall time ended is reported as what it is. */
  readonly explainTimeout = (thrown: unknown): never => {
    const isTimeout = thrown instanceof OpspawnError && thrown.code === 'timeout';
    if (isTimeout && this.remainingMs() < clockSlackMs) throw this.wallTimeExceeded();
    throw thrown;
  };

  /** For the function of a step that may be tried again: throws once the wall time left now is over. */
  watchWallTime(): () => void {
    const deadlineAt = performance.now() + this.remainingMs();
    return () => {
      if (performance.now() > deadlineAt) throw this.wallTimeExceeded();
    };
  }

  /** Default: it is used up. */
  wallTimeExceeded({ leftMs = 0, askedMs = 0 } = {}): BudgetExceededError {
    const { wallTimeMs: allowedMs } = this.#limits;
    const usedMs = allowedMs - Math.max(0, Math.floor(leftMs));
    return new BudgetExceededError('wallTimeMs', allowedMs, usedMs, askedMs);
  }

  /** Why a child task may not be started, as the number `ordinal` of this run, from 1; for the model to read. */
  childRefusal(depth: number, ordinal: number): string | undefined {
    const { childDepth, children } = this.#limits;
    if (depth >= childDepth) return `Work may be handed on ${childDepth} levels deep at most: do it here`;
    return ordinal > children ? `This run may start ${children} child tasks at most` : undefined;
  }

  /** Why the conversation may not be handed on, as the call number `ordinal` of this turn that would, from 1. */
  handoffRefusal(ordinal: number): string | undefined {
    const { handoffs } = this.#limits;
    if (ordinal > 1) return 'The conversation can be handed to one agent at a time';
    if (this.#state.handoffs < handoffs) return undefined;
    return `The conversation may be handed on ${handoffs} times at most: go on yourself`;
  }

  /** At least one token: what does not fit is refused by the budget itself, which knows the figures. */
  #leftByOthers(inputTokens: number): number[] {
    const { tokens, costMicroUsd } = this.#steps.budget.remaining?.() ?? {};
    const caps = tokens === undefined ? [] : [tokens - inputTokens];
    if (costMicroUsd !== undefined) {
      if (this.#price === undefined) throw unknownPrice('the model');
      const left = costMicroUsd - this.#costOfInput(inputTokens);
      caps.push(Math.floor((left * 1_000_000) / this.#price.outputMicroUsd));
    }
    return caps.map((cap) => Math.max(1, cap));
  }

  /** With what those used that work was handed on to. */
  #usedTokens(): number {
    const { inputTokens, outputTokens } = this.#state.usage;
    return Math.max(inputTokens + outputTokens, this.#steps.budget.used?.().tokens ?? 0);
  }

  #costOfInput(tokens: number): number {
    return Math.ceil((tokens * (this.#price?.inputMicroUsd ?? 0)) / 1_000_000);
  }

  #affordableTokens(allowed: number, inputTokens: number): number {
    const own = this.#state.usage.costMicroUsd;
    const perMillion = this.#price?.outputMicroUsd;
    if (own === undefined || perMillion === undefined) throw unknownPrice('the model that answered');
    const used = Math.max(own, this.#steps.budget.used?.().costMicroUsd ?? 0);
    const input = this.#costOfInput(inputTokens);
    within('costMicroUsd', allowed, used, input + (perMillion > 0 ? 1 : 0));
    if (perMillion === 0) return Number.POSITIVE_INFINITY;
    return Math.max(1, Math.floor(((allowed - used - input) * 1_000_000) / perMillion));
  }
}

/** See `RunLimits.remainingMs`. */
export function wallTimeLeftMs(
  { wallTimeMs: allowedMs = Number.POSITIVE_INFINITY }: Limits = {},
  steps: Pick<Steps, 'now' | 'history'>,
  startedAt = steps.history()[0]?.startedAt,
): number {
  const usedMs = startedAt === undefined ? 0 : Math.max(0, steps.now() - startedAt);
  if (usedMs >= allowedMs) throw wallTimeExceeded(allowedMs, usedMs);
  return allowedMs - usedMs;
}

export const wallTimeExceeded = (allowedMs: number, usedMs = allowedMs): BudgetExceededError =>
  new BudgetExceededError('wallTimeMs', allowedMs, usedMs);

/** A timer may fire before the clock, which counts whole ms, says that it is time. */
const clockSlackMs = 5;

const unknownPrice = (model: string): OpspawnError =>
  new OpspawnError('config_invalid', `The run has a cost limit, and the price of ${model} is unknown`, {
    details: { limit: 'costMicroUsd', model },
  });

function within(limit: string, allowed: number, used: number, asked: number): void {
  if (used + asked > allowed) throw new BudgetExceededError(limit, allowed, used, asked);
}
