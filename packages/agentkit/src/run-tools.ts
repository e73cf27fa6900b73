/** One tool call: prepare → decide → approve → execute → finalize → emit. Whatever goes wrong is told to the model. */
import { createHash } from 'node:crypto';
import { OpspawnError, recordError, StepError } from './errors.ts';
import { canonicalJson, type Json } from './json.ts';
import type { ToolCall } from './message.ts';
import { type RunContext, redactError } from './run-context.ts';
import { type CallOutcome, endsRun, toolStep } from './run-state.ts';
import type { Verdict } from './security/security.ts';
import type { Decision, StepContext, StepOptions, WaitRequest } from './steps.ts';
import type { PreparedCall, RefusedCall, ToolExecution } from './tool/tool.ts';

/** What may run, or why it may not. */
type Clearance = { kind: 'cleared'; prepared: PreparedCall } | { kind: 'refused'; error: OpspawnError };

/** Runs calls side by side and takes their results into the state. Throws what ends the run, never a tool's failure. */
export async function callTools(run: RunContext, calls: readonly ToolCall[]): Promise<void> {
  const { state } = run;
  const turn = state.turns;
  run.limits.beforeCalls(calls.length);
  const ended = await Promise.all(
    calls.map(async (call) => ({ call, outcome: await runCall(run, turn, call) })),
  );
  for (const { call, outcome } of ended) state.addResult(call, outcome);
}

async function runCall(run: RunContext, turn: number, call: ToolCall): Promise<CallOutcome> {
  const startedAt = performance.now();
  const step = toolStep(turn, call);
  const clearance = await clear(run, step, call);
  const outcome = await settled(
    clearance.kind === 'refused'
      ? run.steps.run<Json>(step, () => Promise.reject(clearance.error), { kind: 'tool', effect: 'read' })
      : execute(run, step, turn, call, clearance.prepared),
  );
  const { callId, tool } = call;
  const output = outcome.ok ? (outcome.value ?? null) : outcome.error.message;
  const durationMs = performance.now() - startedAt;
  run.emitRecorded({ type: 'tool.finished', turn, callId, tool, output, isError: !outcome.ok, durationMs });
  return outcome;
}

/** Whether the call is well formed, allowed by policy and agreed to by a person where one must be asked. */
async function clear(run: RunContext, step: string, call: ToolCall): Promise<Clearance> {
  const prepared = await run.tools.prepare(call);
  if (isRefused(prepared)) return refused('invalid_argument', prepared.message);
  const { steps, agent, state } = run;
  const verdict = await run.security.decide({
    namespace: steps.namespace,
    agent: agent.name,
    taskId: steps.taskId,
    tool: prepared.tool,
    input: prepared.input,
    annotations: prepared.annotations,
    tainted: state.isTainted,
  });
  if (verdict.decision === 'deny') return refused('tool_denied', `Denied by policy: ${verdict.reason}`);
  if (verdict.decision === 'allow' && !prepared.needsApproval) return { kind: 'cleared', prepared };
  const decision = await askPerson(run, step, prepared, verdict);
  if (decision.approved) return { kind: 'cleared', prepared };
  return refused('tool_denied', `Denied by ${decision.by}${decision.comment ? `: ${decision.comment}` : ''}`);
}

const isRefused = (prepared: PreparedCall | RefusedCall): prepared is RefusedCall => 'refused' in prepared;

const refused = (code: 'invalid_argument' | 'tool_denied', message: string): Clearance => ({
  kind: 'refused',
  error: new OpspawnError(code, message),
});

/**
 * Asks for an approval that is good for this very call only: the hash in its name binds namespace, task, step, tool,
 * arguments and the tool's definition, so that a decision about anything else is never found under it.
 */
async function askPerson(
  run: RunContext,
  step: string,
  prepared: PreparedCall,
  verdict: Verdict,
): Promise<Decision> {
  const { steps, limits } = run;
  const { tool, input, digest } = prepared;
  const bound = [steps.namespace, steps.taskId, step, tool, input, digest];
  const hash = createHash('sha256').update(canonicalJson(bound)).digest('hex');
  const payload: Json = { tool, input, digest, hash };
  if (verdict.decision !== 'allow') payload.reason = verdict.reason;
  const request: WaitRequest = {
    kind: 'approval',
    name: `approve:${step}:${hash.slice(0, 32)}`,
    payload: run.security.redact(payload),
  };
  const timeoutMs = limits.remainingMs();
  if (Number.isFinite(timeoutMs)) request.timeoutMs = timeoutMs;
  const answer = await steps.wait(request).catch(limits.explainTimeout);
  return answer as unknown as Decision;
}

function execute(
  run: RunContext,
  step: string,
  turn: number,
  call: ToolCall,
  prepared: PreparedCall,
): Promise<Json | undefined> {
  const { security } = run;
  const { callId } = call;
  const { tool, input, effect, timeoutMs, retry, onUnknown, reconcile } = prepared;
  const shownInput = security.redact(input);
  const executionOf = ({ idempotencyKey, signal }: StepContext): ToolExecution => ({
    callId,
    tool,
    input,
    idempotencyKey,
    signal,
    progress: (message) => run.emitLive({ type: 'tool.progress', callId, message: security.redact(message) }),
  });
  const options: StepOptions<Json | undefined> = {
    kind: 'tool',
    effect,
    timeoutMs: Math.min(timeoutMs, run.limits.remainingMs()),
    onUnknown,
    intent: { tool, input: shownInput },
  };
  if (retry !== undefined) options.retry = retry;
  if (reconcile !== undefined) options.reconcile = (context) => reconcile(executionOf(context));
  run.emitLive({ type: 'tool.started', turn, callId, tool, input: shownInput });
  const runOnce = async (context: StepContext): Promise<Json | undefined> => {
    try {
      return security.redact(await prepared.execute(executionOf(context)));
    } catch (thrown) {
      throw redactError(security, thrown);
    }
  };
  return run.steps.run(step, runOnce, options);
}

/** A step's end as a value: a recorded failure is the model's to act on, everything else ends the run. */
async function settled(step: Promise<Json | undefined>): Promise<CallOutcome> {
  try {
    return { ok: true, value: await step };
  } catch (thrown) {
    if (!(thrown instanceof StepError) || endsRun(thrown.code)) throw thrown;
    return { ok: false, error: recordError(thrown) };
  }
}
