import { isOpspawnError, OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import { type AssistantMessage, callsOf, type RecordedUsage, type Usage, userMessage } from '../message.ts';
import { checkReply } from '../model/check-reply.ts';
import { estimateTokens } from '../model/estimate-tokens.ts';
import type { ModelReply, ModelRequest, ToolSpec } from '../model/model.ts';
import type { PlannerDecision } from '../planner/planner.ts';
import type { RedactedStream } from '../security/security.ts';
import { streamOf } from '../security/strictest.ts';
import type { BudgetAmount, RetryPolicy, StepContext, StepOptions } from '../steps.ts';
import { awaited, type RunContext, redactError, untilWallTime } from './run-context.ts';
import { modelStep, noProgressStep, type RecordedTurn, type Turn, turnOf } from './run-state.ts';

export type CallModel = Extract<PlannerDecision, { do: 'call_model' }>;

/** Passing failures of providers last seconds to minutes. */
const modelRetry: RetryPolicy = { maxAttempts: 5, initialDelayMs: 1_000, factor: 2, maxDelayMs: 60_000 };
/** For one try. A provider that has sent nothing for so long will not. */
export const modelTimeoutMs = 600_000;
/** Who wants to be left alone for longer is as good as down. */
export const defaultRetryAfterMs = 600_000;

/**
 * One turn: asks the model and takes its answer into the state. `repair` is said after the planner's messages.
 * Throws `BudgetExceededError` before the call, `StepError` when the model failed for good.
 */
export async function callModel(run: RunContext, decision: CallModel, repair?: string): Promise<void> {
  const { state, steps, limits } = run;
  assertNoPending(run);
  await checkProgress(run);
  const turn = state.turns + 1;
  const step = modelStep(turn);
  const longest = decision.options?.maxOutputTokens ?? run.agent.modelOptions?.maxOutputTokens;
  const inputTokens = await inputTokensOf(run, decision, repair);
  const maxOutputTokens = await reserveAnswer(run, step, longest, inputTokens);
  const remainingMs = limits.remainingMs();
  run.emitLive({ type: 'turn.started', turn });
  const startedAt = performance.now();
  const request: ModelCall = {
    decision,
    repair,
    turn,
    inputTokens,
    maxOutputTokens,
    timeoutMs: run.agent.modelOptions?.timeoutMs ?? modelTimeoutMs,
    deadlineAt: startedAt + remainingMs,
  };
  const timeoutMs = Math.min(request.timeoutMs * (run.model.chainLength ?? 1), remainingMs);
  const options: StepOptions<RecordedTurn> = { kind: 'llm', effect: 'read', retry: modelRetry, timeoutMs };
  const asked = steps.run(step, askOnce(run, request), options).catch(limits.explainTimeout);
  const answer = turnOf(await untilWallTime(run, step, asked));
  state.addTurn(answer);
  await settleTurn(run, answer);
  const { model, message, usage } = answer;
  const durationMs = performance.now() - startedAt;
  run.emitRecorded({ type: 'model.finished', turn, model, message, usage, durationMs });
}

type TakeTurn = Extract<PlannerDecision, { do: 'take_turn' }>;

/** One turn without the model: what the planner says and calls is taken in like an answer that cost nothing. */
export async function takeTurn(
  run: RunContext,
  planner: string,
  { say = '', calls }: TakeTurn,
): Promise<void> {
  const { state, steps, limits, security } = run;
  assertNoPending(run);
  await checkProgress(run);
  limits.beforeModel();
  const turn = state.turns + 1;
  run.emitLive({ type: 'turn.started', turn });
  const content: AssistantMessage['content'] = calls.map(({ tool, input }, index) => {
    return { type: 'tool-call', callId: `planned_${turn}_${index + 1}`, tool, input };
  });
  if (say !== '') content.unshift({ type: 'text', text: say });
  const message = security.redact({ role: 'assistant', content } as Json) as AssistantMessage;
  const usage: RecordedUsage = { inputTokens: 0, outputTokens: 0, costMicroUsd: 0 };
  const recorded: RecordedTurn = { message, usage, model: `planner/${planner}` };
  const answer = turnOf(await steps.run(modelStep(turn), () => recorded, { kind: 'llm', effect: 'read' }));
  state.addTurn(answer);
  run.emitRecorded({ type: 'model.finished', turn, ...answer, durationMs: 0 });
}

function assertNoPending({ state }: RunContext): void {
  if (state.pendingCalls.length === 0) return;
  throw new OpspawnError('internal', 'The planner took the next turn while tool calls have no result');
}

/**
 * Throws `no_progress` for a run that goes in circles. Where it is to pause the evidence is recorded first: a run that goes on
 * afterwards counts from there.
 */
async function checkProgress({ state, steps, limits }: RunContext): Promise<void> {
  const { circling } = limits;
  if (circling === undefined) return;
  if (!limits.pausesInCircles) throw circling;
  const { message, details } = circling;
  const evidence = { message, ...details } as Json;
  await steps.run(noProgressStep(state.turns), () => evidence, { effect: 'read' });
  throw new OpspawnError('no_progress', message, { details: { ...details, pause: true } });
}

/**
 * Holds back what the answer may use and gives how long it may be, at most `asked`. While it waits for others that share
 * the budget, they use some of what it was worked out from: then a shorter answer may still fit.
 */
export async function reserveAnswer(
  run: RunContext,
  step: string,
  asked: number | undefined,
  inputTokens: number,
): Promise<number | undefined> {
  const { budget } = run.steps;
  for (let cap = longestAnswer(run, asked, inputTokens); ; ) {
    try {
      await budget.reserve(step, run.limits.reservation(cap, inputTokens));
      return cap;
    } catch (thrown) {
      const shorter = longestAnswer(run, asked, inputTokens);
      if (shorter === undefined || cap === undefined || shorter >= cap) throw thrown;
      cap = shorter;
    }
  }
}

/** About what the call sends; 0 where nothing bounds it, and nobody has to know. */
async function inputTokensOf(
  run: RunContext,
  { messages, offerTools }: CallModel,
  repair: string | undefined,
): Promise<number> {
  if (!run.limits.areBounded) return 0;
  const said = repair === undefined ? messages : [...messages, userMessage(repair)];
  return estimateTokens({ messages: said, tools: offerTools === false ? [] : await offeredTools(run) });
}

export const offeredTools = (run: RunContext): Promise<readonly ToolSpec[]> =>
  awaited(run, 'The list of tools', run.tools.list());

function longestAnswer(
  { model, limits }: RunContext,
  asked: number | undefined,
  inputTokens: number,
): number | undefined {
  const caps = [asked, model.maxOutputTokens, limits.beforeModel(inputTokens)];
  return caps.reduce((a, b) => (a === undefined ? b : b === undefined ? a : Math.min(a, b)));
}

/** Replaces the reservation of the last turn by what it used. Doing it twice changes nothing. */
export async function settleTurn({ state, steps }: RunContext, { usage }: Turn): Promise<void> {
  await steps.budget.settle(modelStep(state.turns), spentOn(usage));
}

export function spentOn({ inputTokens, outputTokens, costMicroUsd }: RecordedUsage): BudgetAmount {
  const tokens = inputTokens + outputTokens;
  return costMicroUsd === undefined ? { tokens } : { tokens, costMicroUsd };
}

interface ModelCall {
  decision: CallModel;
  repair: string | undefined;
  turn: number;
  /** About what it sends; 0 where nothing bounds it. */
  inputTokens: number;
  maxOutputTokens: number | undefined;
  /** For each model that is asked. */
  timeoutMs: number;
  /** By `performance.now()`: where the run's wall time ends. */
  deadlineAt: number;
}

/** One try of a model call, as a step's function. */
function askOnce(run: RunContext, call: ModelCall): (step: StepContext) => Promise<RecordedTurn> {
  const step = modelStep(call.turn);
  let resetReason = run.resumedAtTurn === run.state.turns ? 'the run was resumed' : undefined;
  return async ({ signal }) => {
    if (performance.now() > call.deadlineAt) throw run.limits.wallTimeExceeded();
    if (resetReason !== undefined) run.emitLive({ type: 'step.reset', step, reason: resetReason });
    try {
      const { request, endOfStream } = await requestFor(run, call, signal);
      const reply = await run.model.call(request);
      endOfStream();
      checkReply(request, reply, run.model.id);
      return recordable(run, reply, call);
    } catch (thrown) {
      const clean = redactError(run.security, withinPatience(patienceOf(run), thrown));
      const waitMs = isOpspawnError(clean) ? (clean.retryAfterMs ?? 0) : 0;
      const leftMs = call.deadlineAt - performance.now();
      if (waitMs > leftMs) throw run.limits.wallTimeExceeded({ leftMs, askedMs: waitMs });
      resetReason = clean instanceof Error ? clean.message : String(clean);
      throw clean;
    }
  };
}

/** The longest wait that a provider may ask for. */
export const patienceOf = ({ agent: { modelOptions } }: Pick<RunContext, 'agent'>): number =>
  modelOptions?.maxRetryAfterMs ?? defaultRetryAfterMs;

/** What asks for more patience than there is is final: trying again earlier is what it asked not to do. */
export function withinPatience(maxRetryAfterMs: number, thrown: unknown): unknown {
  if (!isOpspawnError(thrown) || (thrown.retryAfterMs ?? 0) <= maxRetryAfterMs) return thrown;
  const { code, message, details, retryAfterMs } = thrown;
  const said = `${message} (it asks to be left alone for ${retryAfterMs} ms, of at most ${maxRetryAfterMs})`;
  return new OpspawnError(code, said, {
    cause: thrown,
    details: { ...details, retryAfterMs },
    retryable: false,
  });
}

async function requestFor(
  run: RunContext,
  call: ModelCall,
  signal: AbortSignal,
): Promise<{ request: ModelRequest; endOfStream: () => void }> {
  const { decision, repair, turn, maxOutputTokens, timeoutMs } = call;
  const deltas = redactedDeltas(run, turn, signal);
  const request: ModelRequest = {
    ...run.agent.modelOptions,
    ...decision.options,
    maxRetryAfterMs: patienceOf(run),
    messages: repair === undefined ? decision.messages : [...decision.messages, userMessage(repair)],
    tools: decision.offerTools === false ? [] : await run.tools.list(),
    signal,
    timeoutMs,
    onReset: (reason) => {
      deltas.drop();
      run.emitLive({ type: 'step.reset', step: modelStep(turn), reason: run.security.redact(reason) });
    },
    redact: (value) => run.security.redact(value),
  };
  if (run.outputSchema !== undefined && decision.answer !== 'interim')
    request.outputSchema ??= run.outputSchema;
  if (maxOutputTokens !== undefined) request.maxOutputTokens = maxOutputTokens;
  if (run.isWatched()) request.onDelta = deltas.put;
  return { request, endOfStream: deltas.end };
}

type DeltaKind = 'text' | 'reasoning';

/** What is streamed, without secrets, those among them that come in two pieces, also where the other kind comes in between. */
function redactedDeltas({ security, emitLive }: RunContext, turn: number, signal: AbortSignal) {
  const open = new Map<DeltaKind, RedactedStream>();
  const emit = (kind: DeltaKind, text: string): void => {
    if (text !== '' && !signal.aborted) emitLive({ type: `${kind}.delta`, turn, text });
  };
  const end = (): void => {
    for (const [kind, stream] of open) emit(kind, stream.end());
    open.clear();
  };
  const put: NonNullable<ModelRequest['onDelta']> = ({ kind, text }) => {
    const stream = open.get(kind) ?? streamOf(security);
    open.set(kind, stream);
    emit(kind, stream.push(text));
  };
  const drop = (): void => open.clear();
  return { put, end, drop };
}

function recordable(run: RunContext, reply: ModelReply, { repair, inputTokens }: ModelCall): RecordedTurn {
  const { message, model, finishReason } = reply;
  const clean = withDistinctCallIds(run.security.redact(message as Json) as typeof message);
  const usual = callsOf(clean).length > 0 ? 'tool-calls' : 'stop';
  return {
    message: clean,
    usage: usageOf(run, reply, inputTokens),
    model,
    ...(finishReason === usual ? {} : { finishReason }),
    ...(repair === undefined ? {} : { repair }),
  };
}

/** What the provider counted. One that counts nothing must not lift a limit: then it is what was estimated. */
export function usageOf(
  { limits }: RunContext,
  { message, usage }: Pick<ModelReply, 'message' | 'usage'>,
  inputTokens: number,
): RecordedUsage {
  if (usage.inputTokens + usage.outputTokens > 0 || !limits.areBounded) return withoutZeros(usage);
  const outputTokens = estimateTokens({ messages: [message], tools: [] });
  const { costMicroUsd } = limits.reservation(outputTokens, inputTokens);
  return { inputTokens, outputTokens, ...(costMicroUsd !== undefined && { costMicroUsd }) };
}

function withoutZeros({ cachedInputTokens, reasoningTokens, ...usage }: Usage): RecordedUsage {
  return {
    ...usage,
    ...(cachedInputTokens === 0 ? {} : { cachedInputTokens }),
    ...(reasoningTokens === 0 ? {} : { reasoningTokens }),
  };
}

/**
 * The message with call ids that are there once and can stand in a step's name. Models do repeat them, leave them empty,
 * and write into them what no database keeps.
 */
function withDistinctCallIds(message: AssistantMessage): AssistantMessage {
  const calls = callsOf(message);
  const ids = new Set(calls.map((call) => call.callId));
  const isFit = (callId: string): boolean => /^[!-~]{1,128}$/.test(callId);
  if (ids.size === calls.length && calls.every(({ callId }) => isFit(callId))) return message;
  const seen = new Set<string>();
  const content = message.content.map((part, index) => {
    if (part.type !== 'tool-call') return part;
    let { callId } = part;
    for (let n = index; seen.has(callId) || !isFit(callId); n += 1) callId = `call_${n}`;
    seen.add(callId);
    return { ...part, callId };
  });
  return { ...message, content };
}
