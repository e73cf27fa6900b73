/** Runs in this process: the steps live and die with it, and so do the runs of agents that work is handed on to. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { AgentDefinition } from '../agent.ts';
import { OpspawnError, toOpspawnError } from '../errors.ts';
import type { EventSink } from '../event.ts';
import type { Json } from '../json.ts';
import type { Memory } from '../memory/memory.ts';
import { type MemoryBudget, memoryBudget } from '../memory-budget.ts';
import { type MemoryStepsOptions, memorySteps } from '../memory-steps.ts';
import type { ModelRegistry } from '../model/model.ts';
import type { KnownSecrets } from '../security/secrets.ts';
import type { SecurityManager } from '../security/security.ts';
import { createSecurityManager } from '../security/security-rules.ts';
import type { BudgetAmount, ChildRequest } from '../steps.ts';
import { delegatesOf } from './handed-to.ts';
import { runAgent } from './run-agent.ts';
import type { RunEnvironment, RunInput, RunResult } from './run-environment.ts';

/** What a run in this process may be given. Everything has a default. */
export interface RunOptions
  extends Omit<RunInput, 'prompt'>,
    Pick<MemoryStepsOptions, 'namespace' | 'onApproval' | 'onQuestion' | 'onLog'>,
    Pick<RunEnvironment, 'mcp' | 'extraTools' | 'toolContext'> {
  /** Stops the run: it rejects with `cancelled`, or with the reason when that is an OpspawnError. */
  signal?: AbortSignal;
  onEvent?: EventSink;
  /** Default: the providers that come with agentkit, and `scripted`. */
  models?: ModelRegistry;
  /** Default: one of this process that the runs of this agent share. */
  memory?: Memory;
  /** Default: this process's environment variables. */
  secrets?: KnownSecrets;
  /** Beside the agent's own. Default: allows everything, and redacts the secrets that were given out. */
  security?: SecurityManager;
}

export type RunDefaults = Required<Pick<RunOptions, 'models' | 'memory' | 'secrets'>>;
type HereOptions = RunOptions & RunDefaults & { budget?: MemoryBudget };

/** One run over steps of its own. What is still running when it ends is aborted. Throws what `runAgent` throws. */
export async function runHere(
  agent: AgentDefinition,
  input: RunInput,
  options: HereOptions,
): Promise<RunResult> {
  const { models, memory, secrets, mcp, extraTools, toolContext, onEvent, signal, ...rest } = options;
  const { security = createSecurityManager({ secrets }), ...stepOptions } = rest;
  const budget = options.budget ?? memoryBudget(budgetOf(agent));
  const onChild: MemoryStepsOptions['onChild'] = (request, childSignal) =>
    runChild(agent, request, { ...options, security, budget, signal: childSignal });
  const ending = new AbortController();
  const stop = (): void => ending.abort(signal?.reason);
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  try {
    refuseSameNames(agent, options);
    const result = await runAgent(agent, input, {
      steps: memorySteps({ ...stepOptions, budget, onChild, signal: ending.signal }),
      models,
      memory,
      secrets,
      security,
      isWatched: () => onEvent !== undefined,
      ...(mcp && { mcp }),
      ...(extraTools && { extraTools }),
      ...(toolContext && { toolContext }),
      ...(onEvent && { onEvent }),
    });
    return { ...result, spent: budget.used() };
  } catch (thrown) {
    throw toOpspawnError(thrown); // of a function that the caller gave, for instance
  } finally {
    signal?.removeEventListener('abort', stop);
    ending.abort();
  }
}

/** Whom it hands work to is found by name. The same under ops-core, where no two agents may have one name. */
function refuseSameNames({ name, tools = {} }: AgentDefinition, { extraTools = {} }: HereOptions): void {
  const names = delegatesOf([tools, extraTools]).map((agent) => agent.name);
  const twice = names.find((each, index) => names.indexOf(each) < index);
  if (twice === undefined) return;
  throw new OpspawnError('config_invalid', `${name} hands work to two agents named ${twice}`, {
    details: { name: twice },
  });
}

/** As under ops-core. What a prompt may be is the run's to say. */
const childInputSchema = z.strictObject({
  prompt: z.custom<RunInput['prompt']>((prompt) => prompt !== undefined),
  depth: z.int(),
  taintedBy: z.array(z.string()).exactOptional(),
  userId: z.string().min(1).exactOptional(),
  injectMcpProxy: z.boolean().exactOptional(),
} satisfies Partial<Record<keyof RunInput, z.ZodType>>);

/** The caller's session, events and extra tools are not the child's; its budget, memory, secrets and people are. */
async function runChild(
  parent: AgentDefinition,
  { kind, name, input }: ChildRequest,
  { onEvent: _events, extraTools, ...options }: HereOptions & { budget: MemoryBudget },
): Promise<Json> {
  const known = kind === 'agent' ? delegatesOf([parent.tools ?? {}, extraTools ?? {}]) : [];
  const child = known.find((agent) => agent.name === name);
  if (child === undefined) {
    throw new OpspawnError(
      'config_invalid',
      `The ${kind} ${name} cannot run here: no tool of ${parent.name} brings it`,
    );
  }
  const asked = childInputSchema.safeParse(input);
  if (!asked.success)
    throw new OpspawnError(
      'invalid_argument',
      `The input of the agent ${name} is not valid:\n${z.prettifyError(asked.error)}`,
    );
  const budget = options.budget.share(randomUUID(), budgetOf(child));
  try {
    const { output } = await runHere(child, asked.data, { ...options, budget });
    return output;
  } finally {
    budget.release();
  }
}

function budgetOf({ limits: { tokens, costMicroUsd } = {} }: AgentDefinition): BudgetAmount {
  return { ...(tokens !== undefined && { tokens }), ...(costMicroUsd !== undefined && { costMicroUsd }) };
}
