import { z } from 'zod';
import { checkOptions } from '../check-options.ts';
import { callsOf, type Message, textOf, userMessage } from '../message.ts';
import { splitAtPrompt } from './conversation.ts';
import type { Planner, PlanStep, RunState } from './planner.ts';

export interface PlanExecuteOptions {
  /** How often the plan may be revised; after that a step that fails stays failed, and the next one follows. Default 3. */
  maxRevisions?: number;
}

const optionsSchema = z.strictObject({
  maxRevisions: z.int().nonnegative().optional(),
} satisfies Record<keyof PlanExecuteOptions, z.ZodType>);

/**
 * Has the model write a plan, carries out one step after another with the tools, and answers at the end. A step fails
 * when the model answers it with `REVISE: …` or when its last tool calls all failed: then the model revises what is left
 * of the plan. What it says on the way to the model is worked out from the messages, and so is the plan.
 */
export function planExecute(options: PlanExecuteOptions = {}): Planner {
  checkOptions('The planner', optionsSchema, options);
  const { maxRevisions = 3 } = options;
  return {
    name: 'plan-execute',
    next(state) {
      const { said: messages, phase, plan, answer } = follow(state, maxRevisions);
      if (state.pendingCalls.length > 0) return { do: 'call_tools', calls: state.pendingCalls, plan };
      if (answer !== undefined) return { do: 'finish', output: answer, plan };
      const decision = { do: 'call_model', messages, plan } as const;
      if (phase === 'step') return { ...decision, answer: 'interim' };
      if (phase === 'answer') return { ...decision, offerTools: false };
      return { ...decision, answer: 'interim', offerTools: false, options: { outputSchema: planSchema } };
    },
  };
}

const planSchema = {
  type: 'object',
  properties: { plan: { type: 'array', items: { type: 'string' } } },
  required: ['plan'],
  additionalProperties: false,
};
const form = 'as JSON: {"plan": ["first step", "second step"]}. Do not carry anything out yet.';
const askForPlan = `Write a plan of the fewest steps that come to what was asked for, ${form}`;
const askForRevision = `That step did not work out. Write the steps that are left now, revised, ${form}`;
const askForStep = (number: number, text: string): string =>
  `Carry out step ${number}: ${text}\nThen say in short what came of it. If it cannot be done, or if the steps that follow must change, answer with "REVISE:" and why.`;
const askForAnswer = 'The plan is carried out. Give the final answer to what was asked for.';

interface Progress {
  /** The conversation with what the planner asks in between. The beginning never changes: prompt caches hit. */
  said: Message[];
  phase: 'plan' | 'step' | 'revise' | 'answer';
  plan: PlanStep[];
  revisions: number;
  hasFailedCalls: boolean;
  answer?: string;
}

function follow(state: RunState, maxRevisions: number): Progress {
  const { before, after } = splitAtPrompt(state);
  const said = [...before, userMessage(askForPlan)];
  const progress: Progress = { said, phase: 'plan', plan: [], revisions: 0, hasFailedCalls: false };
  for (const message of after) {
    said.push(message);
    if (message.role === 'tool') progress.hasFailedCalls = message.content.every(({ isError }) => isError);
    if (message.role === 'assistant' && callsOf(message).length === 0)
      take(progress, textOf(message), maxRevisions);
  }
  return progress;
}

/** Takes in what the model said once it asked for no more tools. */
function take(progress: Progress, text: string, maxRevisions: number): void {
  const { phase, plan } = progress;
  if (phase === 'answer') {
    progress.answer = text;
    return;
  }
  if (phase === 'step') {
    const active = plan.find(({ status }) => status === 'active') as PlanStep;
    active.status = progress.hasFailedCalls || /^\W*REVISE\b/.test(text) ? 'failed' : 'done';
    if (active.status === 'failed' && progress.revisions < maxRevisions) {
      progress.revisions += 1;
      ask(progress, 'revise', askForRevision);
      return;
    }
  } else {
    const left = readPlan(text).map((step): PlanStep => ({ text: step, status: 'pending' }));
    progress.plan = [...plan.filter(({ status }) => status !== 'pending'), ...left];
  }
  const index = progress.plan.findIndex(({ status }) => status === 'pending');
  const next = progress.plan[index];
  if (next === undefined) {
    ask(progress, 'answer', askForAnswer);
    return;
  }
  next.status = 'active';
  ask(progress, 'step', askForStep(index + 1, next.text));
}

function ask(progress: Progress, phase: Progress['phase'], text: string): void {
  progress.phase = phase;
  progress.hasFailedCalls = false;
  progress.said.push(userMessage(text));
}

/** Models that do not keep to the form write a list, as JSON or not; anything else is one step. */
function readPlan(text: string): string[] {
  const plan = readSteps(text, '{', '}') ?? readSteps(text, '[', ']');
  if (plan !== undefined) return plan;
  const items = [...text.matchAll(/^\s*(?:[-*]|\d+[.)])\s+(.+)$/gm)].map(([, item]) => item as string);
  return items.length > 0 ? items : [text];
}

function readSteps(text: string, first: string, last: string): string[] | undefined {
  try {
    const read = JSON.parse(text.slice(text.indexOf(first), text.lastIndexOf(last) + 1)) as unknown;
    const plan = Array.isArray(read) ? read : (read as { plan?: unknown }).plan;
    if (!Array.isArray(plan)) return undefined;
    return plan
      .map((step) => (typeof step === 'string' ? step : JSON.stringify(step)))
      .filter((step) => step.trim() !== '');
  } catch {
    return undefined;
  }
}
