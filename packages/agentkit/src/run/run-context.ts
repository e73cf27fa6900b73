import type { AgentDefinition } from '../agent.ts';
import { systemClock } from '../clock.ts';
import {
  describeThrown,
  isOpspawnError,
  isRetryable,
  OpspawnError,
  recordError,
  TimeoutError,
} from '../errors.ts';
import type { AgentEvent, EventSink } from '../event.ts';
import { copyJson, isJson, type Json } from '../json.ts';
import type { Model } from '../model/model.ts';
import type { SecurityManager } from '../security/security.ts';
import type { StepOptions, Steps } from '../steps.ts';
import { tell } from '../tell.ts';
import type { ToolManager } from '../tool/tool.ts';
import type { RunEnvironment } from './run-environment.ts';
import { type RunLimits, wallTimeExceeded, wallTimeLeftMs } from './run-limits.ts';
import type { RunProgress } from './run-state.ts';
import { runWithin } from './run-within.ts';

export interface EventSinks {
  /** For events that no journal entry tells. */
  emitLive: EventSink;
  /** For events that can also be read from a recorded step. */
  emitRecorded: EventSink;
}

/** Whoever speaks for the agent's side, and what comes with it. */
export interface Speaker {
  agent: AgentDefinition;
  model: Model;
  tools: ToolManager;
  security: SecurityManager;
}

/** What the functions of one run share. `state` changes, and the speaker when the conversation is handed on. */
export interface RunContext extends EventSinks, Speaker {
  /** The agent that the run began with: its limits, output schema and guardrails hold to the end. */
  readonly first: AgentDefinition;
  /** Brings together what an agent needs that the conversation is handed to. */
  readonly openSpeaker: (agent: AgentDefinition) => Promise<Speaker>;
  readonly steps: Steps;
  readonly limits: RunLimits;
  readonly state: RunProgress;
  /** JSON Schema of the agent's output. */
  readonly outputSchema: Json | undefined;
  /** How many runs stand above this one. */
  readonly depth: number;
  /** How many turns were recorded when the run was resumed: what watchers saw of the next one is void. */
  readonly resumedAtTurn: number | undefined;
  /** Whether the next answer should be streamed. */
  isWatched(): boolean;
}

/** The two sinks of a run. A watcher that throws must not end what it watches. */
export function eventSinks({ steps, onEvent }: RunEnvironment): EventSinks {
  const emitRecorded = (event: AgentEvent): void => {
    if (onEvent === undefined) return;
    tell(
      // what it tells is the run's own, and a watcher may change what it gets
      () => onEvent(copyJson(event)),
      (thrown) => steps.log('warn', `onEvent threw at ${event.type}: ${recordError(thrown).message}`),
    );
  };
  const emitLive = (event: AgentEvent): void => {
    steps.emit(event);
    emitRecorded(event);
  };
  return { emitLive, emitRecorded };
}

/** What code of somebody else's gives, for as long as the run may take: it may never come. */
export async function awaited<T>(
  { steps, limits }: RunContext,
  what: string,
  value: T | Promise<T>,
): Promise<T> {
  if (!(value instanceof Promise)) return value;
  // where the run is stopped or its time is over, nobody hears it any more
  value.catch(() => {});
  return await withinWallTime(steps, { what, remainingMs: limits.remainingMs() }, value, () =>
    limits.wallTimeExceeded(),
  );
}

/** A step for as long as the run may take: its pauses between tries know nothing of that. Who stops it is the step's affair. */
export async function untilWallTime<T>({ limits }: RunContext, what: string, step: Promise<T>): Promise<T> {
  const remainingMs = limits.remainingMs();
  if (!Number.isFinite(remainingMs)) return await step;
  const { signal } = new AbortController();
  return await withinWallTime({ signal }, { what, remainingMs }, step, () => limits.wallTimeExceeded());
}

/** The same of a function; what it throws and is no error of ours is told with whose it is. */
export async function ofCaller<T>(run: RunContext, what: string, fn: () => T | Promise<T>): Promise<T> {
  try {
    return await awaited(run, what, fn());
  } catch (thrown) {
    if (isOpspawnError(thrown)) throw thrown;
    throw new OpspawnError('internal', `${what} failed: ${describeThrown(thrown)}`, { cause: thrown });
  }
}

/** The same before there is a run: what brings its parts together is code of somebody else's too. */
export async function awaitedAtStart<T>(
  { limits }: AgentDefinition,
  steps: Steps,
  start: () => Promise<T>,
): Promise<T> {
  const remainingMs = wallTimeLeftMs(limits, steps);
  const what = 'The start of the run';
  const started = start();
  started.catch(() => {});
  return await withinWallTime(steps, { what, remainingMs }, started, () =>
    wallTimeExceeded(limits?.wallTimeMs ?? remainingMs),
  );
}

async function withinWallTime<T>(
  { signal }: Pick<Steps, 'signal'>,
  { what, remainingMs }: { what: string; remainingMs: number },
  value: Promise<T>,
  exceeded: () => Error,
): Promise<T> {
  const timeoutMs = Number.isFinite(remainingMs) ? remainingMs : undefined;
  try {
    return await runWithin({ what, signal, clock: systemClock, timeoutMs }, () => value);
  } catch (thrown) {
    if (thrown instanceof TimeoutError && timeoutMs !== undefined) throw exceeded();
    throw thrown;
  }
}

/** For a step that reads or writes the memory: a database that does not answer in this time will not. */
const memoryTimeoutMs = 60_000;

/** Bounds such a step, and says so where it was the wall time that ended it. */
export async function withMemoryInTime<T>(
  { limits }: AgentDefinition,
  steps: Steps,
  step: (options: Pick<StepOptions<T>, 'timeoutMs' | 'retry'>) => Promise<T>,
): Promise<T> {
  const leftMs = wallTimeLeftMs(limits, steps);
  const bounds =
    leftMs < memoryTimeoutMs
      ? { timeoutMs: leftMs, retry: { maxAttempts: 1 } }
      : { timeoutMs: memoryTimeoutMs };
  return await step(bounds).catch((thrown) => {
    const isOver = thrown instanceof OpspawnError && thrown.code === 'timeout' && leftMs < memoryTimeoutMs;
    throw isOver && limits?.wallTimeMs !== undefined ? wallTimeExceeded(limits.wallTimeMs) : thrown;
  });
}

/** What is told of an error: enough to act on, and it does not fill a journal or a model's context. */
const maxErrorLength = 10_000;

/** The error without known secrets and without what is too much, before it is recorded, shown or told to a model. */
export function redactError(security: SecurityManager, thrown: unknown): unknown {
  const { code, message, details } = recordError(thrown);
  const said = { message, ...(isBrief(details) && { details }) };
  const clean = security.redact(said as Json) as typeof said;
  if (clean === said && said.details === details && message.length <= maxErrorLength) return thrown;
  const { retryAfterMs } = thrown instanceof OpspawnError ? thrown : {};
  return new OpspawnError(code, shorten(clean.message), {
    ...(clean.details !== undefined && { details: clean.details }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    retryable: isRetryable(thrown),
  });
}

const isBrief = (details: unknown): boolean =>
  details !== undefined && isJson(details) && JSON.stringify(details).length <= maxErrorLength;

export const shorten = (text: string, maxLength = maxErrorLength): string =>
  text.length > maxLength
    ? `${text.slice(0, maxLength)}… (${text.length - maxLength} characters more)`
    : text;
