/** One tool call: prepare → decide → approve → execute → finalize → emit. Whatever goes wrong is told to the model. */
import { createHash } from 'node:crypto';
import { namesSomebody } from '../decider-name.ts';
import { BudgetExceededError, OpspawnError, recordError, StepError } from '../errors.ts';
import { canonicalJson, type Json } from '../json.ts';
import { isBlockTool } from '../memory/blocks.ts';
import type { ToolCall } from '../message.ts';
import type { SecurityManager, Verdict } from '../security/security.ts';
import { checkVerdict } from '../security/strictest.ts';
import type { ChildRequest, Decision, StepContext, StepOptions, WaitRequest } from '../steps.ts';
import { InputRequired, type ResumedCall } from '../tool/input-required.ts';
import type { PreparedCall, PreparedRequest, RefusedCall, ToolExecution } from '../tool/tool.ts';
import { callInRounds } from './run-asking.ts';
import { awaited, type RunContext, redactError } from './run-context.ts';
import { isHandoff } from './run-handoff.ts';
import { defaultRetryAfterMs, withinPatience } from './run-model.ts';
import { type CallOutcome, toldOf, toolStep } from './run-state.ts';
import { TimedTries } from './timed-tries.ts';

const maxProgressLength = 1_000;

/** What may run, or why it may not. */
type Clearance = { kind: 'cleared'; prepared: Prepared } | { kind: 'refused'; error: OpspawnError };
type Prepared = PreparedCall | PreparedRequest;

/**
 * Runs calls side by side, edits of the working memory one after another, and takes their results into the state. Throws
 * what ends the run, never a tool's failure.
 */
export async function callTools(run: RunContext, calls: readonly ToolCall[]): Promise<void> {
  const { state } = run;
  const turn = state.turns;
  run.limits.beforeCalls(calls.length);
  const prepared = await Promise.all(calls.map((call) => prepare(run, call)));
  const admitted = await admitHandoffs(run, calls, admitChildren(run, prepared));
  const begin = async (call: ToolCall, index: number): Promise<() => void> => {
    const outcome = await runCall(run, turn, call, admitted[index] as Prepared | RefusedCall);
    return () => state.addResult(call, outcome);
  };
  let lastEdit: Promise<unknown> = Promise.resolve();
  const ended = await Promise.all(
    calls.map((call, index) => {
      if (!isBlockTool(call.tool)) return begin(call, index);
      // an edit goes on from the recorded result of the one before it, so that a resumed run works out the same
      const edit = lastEdit.then(async () => (await begin(call, index))());
      lastEdit = edit;
      return edit;
    }),
  );
  for (const addResult of ended) addResult?.();
}

/** In call order, so that a resumed run admits the same ones. */
function admitChildren(
  { steps, depth, limits }: RunContext,
  calls: readonly (Prepared | RefusedCall)[],
): readonly (Prepared | RefusedCall)[] {
  const startsChild = (call: Prepared | RefusedCall): boolean =>
    'request' in call && call.request.kind !== 'question';
  if (!calls.some(startsChild)) return calls;
  let started = steps.history().filter(({ kind }) => kind === 'child').length;
  return calls.map((call) => {
    if (!startsChild(call)) return call;
    started += 1;
    const refusal = limits.childRefusal(depth, started);
    return refusal === undefined ? call : { refused: true, message: refusal };
  });
}

/** One handoff of a turn at most, and so many of a run: by all calls of the turn, so that a resumed run admits the same ones. */
async function admitHandoffs(
  run: RunContext,
  calls: readonly ToolCall[],
  admitted: readonly (Prepared | RefusedCall)[],
): Promise<readonly (Prepared | RefusedCall)[]> {
  const handsOn = ({ tool }: ToolCall): boolean => isHandoff(run.agent, tool);
  if (!calls.some(handsOn)) return admitted;
  const found = new Map(
    calls.map(({ callId }, index) => [callId, admitted[index] as Prepared | RefusedCall]),
  );
  let handoffs = 0;
  for (const call of run.state.turnCalls.filter(handsOn)) {
    if (isRefused(found.get(call.callId) ?? (await prepare(run, call)))) continue;
    handoffs += 1;
    const refusal = run.limits.handoffRefusal(handoffs);
    if (refusal !== undefined) found.set(call.callId, { refused: true, message: refusal });
  }
  return calls.map(({ callId }) => found.get(callId) as Prepared | RefusedCall);
}

const prepare = (run: RunContext, call: ToolCall): Promise<Prepared | RefusedCall> =>
  awaited(run, `Checking a call of ${call.tool}`, run.tools.prepare(call, run.steps.signal));

async function runCall(
  run: RunContext,
  turn: number,
  call: ToolCall,
  admitted: Prepared | RefusedCall,
): Promise<CallOutcome> {
  const startedAt = performance.now();
  const step = toolStep(turn, call);
  const clearance = await clear(run, step, admitted);
  const outcome = await settled(
    clearance.kind === 'refused'
      ? run.steps.run<Json>(step, () => Promise.reject(redactError(run.security, clearance.error)), {
          kind: 'tool',
          effect: 'read',
        })
      : carryOut(run, step, turn, call, clearance.prepared),
  );
  const { callId, tool } = call;
  const output = run.security.redact(outcome.ok ? (outcome.value ?? null) : toldOf(call, outcome.error));
  const durationMs = performance.now() - startedAt;
  run.emitRecorded({ type: 'tool.finished', turn, callId, tool, output, isError: !outcome.ok, durationMs });
  return outcome;
}

/** Whether the call is well formed, allowed by policy and agreed to by a person where one must be asked. */
async function clear(run: RunContext, step: string, prepared: Prepared | RefusedCall): Promise<Clearance> {
  if (isRefused(prepared)) return refused('invalid_argument', prepared.message);
  const verdict = await decide(run, prepared);
  if (verdict.decision === 'deny') return refused('tool_denied', `Denied by policy: ${verdict.reason}`);
  if (verdict.decision === 'allow' && !prepared.needsApproval) return { kind: 'cleared', prepared };
  const decision = await askPerson(run, step, prepared, verdict);
  if (decision === undefined) return refused('tool_denied', 'Nobody decided about it in time');
  const { approved, by, comment } = decision;
  if (typeof approved !== 'boolean' || typeof by !== 'string' || !namesSomebody(by))
    return refused('tool_denied', 'Denied: what was answered is no decision of somebody ({ approved, by })');
  if (approved) return { kind: 'cleared', prepared };
  return refused('tool_denied', `Denied by ${by}${comment ? `: ${comment}` : ''}`);
}

/** What fails in deciding lets nothing pass. */
async function decide(run: RunContext, { tool, input, annotations }: Prepared): Promise<Verdict> {
  const { steps, agent, state, security } = run;
  const { namespace, taskId, signal } = steps;
  const taintedBy = [...state.taintedBy];
  const call = { tool, input: structuredClone(input), annotations, tainted: taintedBy.length > 0, taintedBy };
  try {
    const verdict = security.decide({ namespace, agent: agent.name, taskId, ...call });
    return checkVerdict(await awaited(run, 'the security manager', verdict));
  } catch (thrown) {
    if (signal.aborted || thrown instanceof BudgetExceededError) throw thrown;
    steps.log('error', `The security manager failed: ${security.redact(recordError(thrown).message)}`);
    return { decision: 'deny', reason: 'the security manager failed' };
  }
}

const isRefused = (prepared: Prepared | RefusedCall): prepared is RefusedCall => 'refused' in prepared;

const refused = (code: 'invalid_argument' | 'tool_denied', message: string): Clearance => ({
  kind: 'refused',
  error: new OpspawnError(code, message),
});

/**
 * Asks for an approval that is good for this very call only: the hash in its name binds namespace, task, step, tool,
 * arguments and the tool's definition, so that a decision about anything else is never found under it. undefined when
 * nobody decided in time.
 */
async function askPerson(
  run: RunContext,
  step: string,
  prepared: Prepared,
  verdict: Exclude<Verdict, { decision: 'deny' }>,
): Promise<Decision | undefined> {
  const { steps, limits } = run;
  const { tool, input, digest } = prepared;
  const bound = [steps.namespace, steps.taskId, step, tool, input, digest];
  const hash = createHash('sha256').update(canonicalJson(bound)).digest('hex');
  const payload: Json = { tool, input, digest, hash };
  if (verdict.decision !== 'allow') payload.reason = verdict.reason;
  const request: WaitRequest = {
    kind: 'approval',
    name: `approve:${step}:${hash.slice(0, 32)}`,
    payload: run.security.redact(structuredClone(payload)),
    redact: (said) => run.security.redact(said),
  };
  const { timeoutMs: patienceMs = run.security.approvalTimeoutMs ?? Number.POSITIVE_INFINITY } =
    verdict.decision === 'ask' ? verdict : {};
  const timeoutMs = Math.min(patienceMs, limits.remainingMs());
  if (Number.isFinite(timeoutMs)) request.timeoutMs = timeoutMs;
  try {
    return (await steps.wait(request)) as unknown as Decision;
  } catch (thrown) {
    if (!(thrown instanceof OpspawnError && thrown.code === 'timeout')) throw thrown;
    limits.remainingMs();
    return undefined;
  }
}

function carryOut(
  run: RunContext,
  step: string,
  turn: number,
  { callId }: ToolCall,
  prepared: Prepared,
): Promise<Json | undefined> {
  const { tool } = prepared;
  const input = run.security.redact(prepared.input);
  run.emitLive({ type: 'tool.started', turn, callId, tool, input });
  return 'request' in prepared ? askOutside(run, step, prepared) : execute(run, step, callId, prepared);
}

/** The step is the wait itself, under the name by which the call's result is found again. */
async function askOutside(
  { steps, limits, depth, security, state }: RunContext,
  step: string,
  { request }: PreparedRequest,
): Promise<Json | undefined> {
  if (request.kind !== 'question') {
    const leftMs = limits.remainingMs();
    const child = handedOn(request, { depth: depth + 1, taintedBy: [...state.taintedBy] });
    const bounded = Number.isFinite(leftMs) ? { ...child, timeoutMs: Math.ceil(leftMs) } : child;
    return await steps.child({ ...bounded, step }).catch((thrown) => {
      limits.remainingMs();
      throw thrown;
    });
  }
  const timeoutMs = Math.min(request.timeoutMs ?? Number.POSITIVE_INFINITY, limits.remainingMs());
  const question: WaitRequest = {
    kind: 'question',
    name: step,
    prompt: security.redact(request.prompt),
    redact: (said) => security.redact(said),
  };
  if (Number.isFinite(timeoutMs)) question.timeoutMs = timeoutMs;
  try {
    return await steps.wait(question);
  } catch (thrown) {
    if (!(thrown instanceof OpspawnError && (thrown.code === 'timeout' || thrown.code === 'declined')))
      throw thrown;
    if (thrown.code === 'timeout') limits.remainingMs();
    throw new StepError(step, recordError(thrown), thrown);
  }
}

/** An agent learns how deep it stands, so that handing work on comes to an end, and what may steer who hands it on. */
function handedOn<Request extends Pick<ChildRequest, 'kind' | 'input'>>(
  request: Request,
  { depth, taintedBy }: { depth: number; taintedBy: string[] },
): Request {
  const { kind, input = '' } = request;
  if (kind !== 'agent') return request;
  const isObject = typeof input === 'object' && input !== null && !Array.isArray(input);
  const said = isObject ? input : { prompt: input };
  return { ...request, input: { ...said, depth, ...(taintedBy.length > 0 && { taintedBy }) } };
}

function execute(
  run: RunContext,
  step: string,
  callId: string,
  prepared: PreparedCall,
): Promise<Json | undefined> {
  const { security } = run;
  const { tool, input, effect, timeoutMs, retry, onUnknown, reconcile } = prepared;
  const executionOf = ({ idempotencyKey, signal }: StepContext, resumed?: ResumedCall): ToolExecution => ({
    callId,
    tool,
    input,
    idempotencyKey,
    signal,
    ...(resumed && { resumed }),
    progress(said) {
      const message = security.redact(said).slice(0, maxProgressLength);
      run.emitLive({ type: 'tool.progress', callId, message });
    },
  });
  const options: StepOptions<Json | undefined> = {
    kind: 'tool',
    effect,
    timeoutMs: Math.min(timeoutMs, run.limits.remainingMs()),
    onUnknown,
    intent: { tool, input: security.redact(input) },
    ...(reconcile === undefined
      ? {}
      : { reconcile: (context: StepContext) => reconcile(executionOf(context)) }),
  };
  if (retry !== undefined) options.retry = retry;
  return callInRounds(run, step, prepared, (resumed) => {
    const tries = new TimedTries(run.limits);
    const runOnce = async (context: StepContext): Promise<Json | undefined> => {
      // what ran out of time and must not be repeated is followed by no pause: it is in doubt
      if (effect !== 'once') tries.pauseAfter(context.signal);
      try {
        const result = await tries.try(step, context, (signal) =>
          prepared.execute({ ...executionOf(context, resumed), signal }),
        );
        return security.redact(settleRound(security, result));
      } catch (thrown) {
        if (effect !== 'once' || (retry?.maxAttempts ?? 1) > 1) tries.pause();
        const patienceMs = Math.min(defaultRetryAfterMs, Math.max(0, Math.floor(tries.leftMs)));
        throw redactError(security, withinPatience(patienceMs, thrown));
      }
    };
    const isInDoubt =
      effect === 'once' && resumed !== undefined && prepared.isHeld?.(resumed.state) === false;
    return tries.within(run.steps.run(step, runOnce, { ...options, ...(isInDoubt && { isInDoubt }) }));
  });
}

/** The result; throws what a call that asks for something is recorded as. */
function settleRound(security: SecurityManager, result: Json | undefined | InputRequired): Json | undefined {
  if (!(result instanceof InputRequired)) return result;
  if (security.redact(result.state) === result.state) throw result.toError();
  // handed back it must be as it was, and recorded it may not be
  const message = 'It asks a person something, with a state that holds a secret';
  throw new OpspawnError('tool_failed', message, { retryable: false });
}

/** A step's end as a value: a recorded failure is the model's to act on, everything else ends the run. */
async function settled(step: Promise<Json | undefined>): Promise<CallOutcome> {
  try {
    return { ok: true, value: await step };
  } catch (thrown) {
    if (!(thrown instanceof StepError)) throw thrown;
    return { ok: false, error: recordError(thrown) };
  }
}
