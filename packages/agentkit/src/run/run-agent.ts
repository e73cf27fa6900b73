/**
 * The run loop. It replays no code: it folds what is recorded into its state, asks the planner what to do next, and
 * does that as recorded steps, so that it can be stopped anywhere and go on under a newer version of itself.
 */
import type { AgentDefinition } from '../agent.ts';
import { BudgetExceededError, OpspawnError, recordError, StepError } from '../errors.ts';
import { assertJson, type Json } from '../json.ts';
import type { Compaction } from '../memory/compaction/compaction.ts';
import type { Message, ToolCall } from '../message.ts';
import { checkDecision } from '../planner/check-decision.ts';
import type { Planner, PlannerDecision, PlanStep } from '../planner/planner.ts';
import { react } from '../planner/react.ts';
import { strictest } from '../security/strictest.ts';
import { checkEnvironment } from './check-environment.ts';
import { withinWindow } from './run-compaction.ts';
import {
  awaited,
  awaitedAtStart,
  eventSinks,
  ofCaller,
  type RunContext,
  redactError,
  withMemoryInTime,
} from './run-context.ts';
import type { RunEnvironment, RunInput, RunResult } from './run-environment.ts';
import { guardInput, guardOutput } from './run-guardrails.ts';
import { callModel, takeTurn } from './run-model.ts';
import { checkOutput, outputRefused, repairRequest } from './run-output.ts';
import { openRun } from './run-setup.ts';
import type { RecordedCompaction } from './run-state.ts';
import { callTools } from './run-tools.ts';

/**
 * Runs an agent to its end over the given environment, going on from what `steps.history()` holds. Throws
 * `BudgetExceededError` at a limit, `GuardrailError` when a guardrail objects, `StepError` when the model failed for good, `model_rejected` when its answer does
 * not satisfy the output schema after one repair, and `config_invalid` or `invalid_argument` for what cannot be run.
 */
export async function runAgent(
  agent: AgentDefinition,
  input: RunInput,
  environment: RunEnvironment,
): Promise<RunResult> {
  checkEnvironment(environment);
  const sinks = eventSinks(environment);
  try {
    const { steps } = environment;
    const run = await awaitedAtStart(agent, steps, () => openRun(agent, input, environment, sinks));
    const { state, model } = run;
    run.emitLive({ type: 'run.started', agent: agent.name, model: model.id });
    await guardInput(run);
    const output = await advance(run);
    await guardOutput(run, output);
    const { sessionId: session, taintedBy } = input;
    if (session !== undefined) await appendToSession(run, environment, { session, taintedBy });
    const { turns, toolCalls, usage } = state;
    run.emitRecorded({ type: 'run.finished', output, usage, turns });
    return { output, usage, turns, toolCalls };
  } catch (thrown) {
    const error = redactError(strictest(environment.security, agent.security), typedError(thrown));
    const { code, message } = recordError(error);
    sinks.emitRecorded({ type: 'run.failed', code, message });
    throw error;
  }
}

/** One decision after another, until the planner's result is one that the agent's output schema takes. */
async function advance(run: RunContext): Promise<Json> {
  for (;;) {
    if (run.state.speaker !== run.agent) await handOver(run, run.state.speaker);
    const { planner = react } = run.agent;
    const decision = await decide(run, planner);
    if (decision.plan !== undefined) showPlan(run, decision.plan);
    switch (decision.do) {
      case 'call_model':
        await callModel(run, await withinWindow(run, decision));
        break;
      case 'take_turn':
        await takeTurn(run, planner.name, decision);
        break;
      case 'call_tools':
        checkCalls(run, planner, decision.calls);
        await callTools(run, decision.calls);
        break;
      case 'finish': {
        assertJson(decision.output, `the output of the planner ${planner.name}`);
        const output = await finish(run, decision.output ?? null);
        if (output !== undefined) return output;
        break;
      }
      default:
        throw decision satisfies never;
    }
  }
}

async function decide(run: RunContext, planner: Planner): Promise<PlannerDecision> {
  const decision = await ofCaller(run, `The planner ${planner.name}`, () => planner.next(run.state));
  checkDecision(planner.name, decision);
  return decision;
}

/** From now on another agent speaks, within the limits of the first. */
async function handOver(run: RunContext, to: AgentDefinition): Promise<void> {
  const from = run.agent.name;
  Object.assign(run, await awaited(run, `The agent ${to.name}`, run.openSpeaker(to)));
  run.limits.useModel(run.model);
  run.emitLive({ type: 'agent.changed', turn: run.state.turns, from, to: to.name });
}

/** Told again after a resume, to whoever watches then. */
function showPlan(run: RunContext, plan: readonly PlanStep[]): void {
  const clean = run.security.redact(plan as unknown as Json) as unknown as PlanStep[];
  if (JSON.stringify(clean) === JSON.stringify(run.state.plan)) return;
  run.state.plan = clean;
  run.emitLive({ type: 'plan.updated', steps: clean });
}

/** A planner may run what is pending and nothing else: results are found again by the calls that were recorded. */
function checkCalls({ state }: RunContext, planner: Planner, calls: readonly ToolCall[]): void {
  const pending = new Set(state.pendingCalls.map((call) => call.callId));
  if (calls.length > 0 && calls.every((call) => pending.has(call.callId))) return;
  throw new OpspawnError('internal', `The planner ${planner.name} chose tool calls that are not pending`);
}

/** The checked output, or undefined after the model was told what is wrong with it. That happens once in a run. */
async function finish(run: RunContext, answer: Json): Promise<Json | undefined> {
  const { first, state } = run;
  if (first.output === undefined) return answer;
  const schema = first.output;
  const checked = await ofCaller(run, 'The output schema', () => checkOutput(schema, answer));
  if (checked.ok) return checked.value;
  if (state.repairs > 0) throw outputRefused(checked.problems);
  const decision = { do: 'call_model', messages: state.messages, offerTools: false } as const;
  await callModel(run, await withinWindow(run, decision), repairRequest(checked.problems));
  return undefined;
}

async function appendToSession(
  run: RunContext,
  { memory, security: ofAll }: RunEnvironment,
  { session, taintedBy = [] }: { session: string; taintedBy: RunInput['taintedBy'] },
): Promise<void> {
  const { first, steps, state } = run;
  const scope = { namespace: steps.namespace, session };
  const [prompt, ...others] = state.added;
  const isTainted = prompt?.role === 'user' && taintedBy.length > 0;
  const said = isTainted ? [{ ...prompt, taintedBy: [...taintedBy] }, ...others] : state.added;
  // the prompt may hold a secret too, that of an agent which has handed the conversation on
  const speakers = [...new Set([first, ...state.speakers])];
  const security = speakers.reduce((all, speaker) => strictest(all, speaker.security), ofAll);
  const added = said.map((message) => security.redact(message as Json) as Message);
  const append = () => memory.append(scope, steps.taskId, added, forSession(state.compaction));
  await withMemoryInTime(first, steps, (bounds) =>
    steps.run('session:append', append, { effect: 'idempotent', ...bounds }),
  );
}

/** What the next run of the session goes on from; nothing when this run did not compact. */
function forSession(made: RecordedCompaction | undefined): { compaction?: Compaction } {
  if (made?.session === undefined) return {};
  return { compaction: { ...made.session, ...(made.summary !== undefined && { summary: made.summary }) } };
}

/** A limit that was met within a step comes back as its record; callers are promised the class. */
function typedError(thrown: unknown): unknown {
  if (!(thrown instanceof StepError) || thrown.code !== 'budget_exceeded') return thrown;
  const { limit, allowed, used, asked } = thrown.details;
  // code of others may say `budget_exceeded` of what is no limit of ours
  if (typeof limit !== 'string' || typeof allowed !== 'number' || typeof used !== 'number') return thrown;
  return new BudgetExceededError(limit, allowed, used, Number(asked ?? 0));
}
