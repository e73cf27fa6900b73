import {
  type AgentDefinition,
  type BudgetAmount,
  defaultRetry,
  type Json,
  jsonSchemaOf,
  OpspawnError,
  type RetryPolicy,
  type StandardSchemaV1,
  type Steps,
  validateBy,
  withDelegates,
} from '@opspawn/agentkit';
import type { TaskKind } from '@opspawn/sdk';
import { type AgentEnvironment, agentInputJsonSchema, runAgentTask } from '../../agents/agent-run.ts';
import type { DefinitionRow } from '../../storage/parts/definitions.ts';
import type { ClaimedTask } from '../../storage/store.ts';
import { createContext } from '../durable/context.ts';
import type { TaskOptions } from '../task-view.ts';
import type { DefinitionData } from './catalog.ts';
import { type DurableDefinition, mergeRetry } from './definition.ts';

/** What a body gets beside its steps. */
export interface BodyInput {
  task: Pick<ClaimedTask, 'input' | 'sessionId'>;
  options: TaskOptions;
  isWatched: () => boolean;
}

/** Something that this process can run. */
export interface Runnable {
  readonly kind: TaskKind;
  readonly name: string;
  readonly version: string;
  readonly queue: string;
  readonly retry: RetryPolicy;
  readonly attemptTimeoutMs: number | undefined;
  readonly data: DefinitionData;
  /** What it may use together with all that it hands on. Absent, or empty: any amount. */
  readonly budget?: BudgetAmount;
  /** Whether resuming runs the body again from its start, or the body folds the history. */
  readonly mode: 'replay' | 'history';
  readonly body: (steps: Steps, input: BodyInput) => unknown;
}

export interface Definitions {
  readonly agents?: readonly AgentDefinition[];
  readonly functions?: readonly DurableDefinition[];
  readonly workflows?: readonly DurableDefinition[];
}

const defaultQueue = 'default';

/** What this process can run, by kind and name. */
export class Registry {
  readonly #runnables = new Map<string, Runnable>();

  /**
   * `environment` is what its agents share. Throws `config_invalid` when two definitions of a kind have one name, or an
   * input schema cannot say its JSON Schema.
   */
  constructor(definitions: Definitions, environment: AgentEnvironment) {
    const { agents = [] } = definitions;
    const inputSchema = agents.length > 0 ? agentInputJsonSchema() : undefined;
    for (const agent of withDelegates(agents)) this.#add(runnableAgent(agent, environment, inputSchema));
    for (const definition of definitions.functions ?? []) this.#add(runnableFunction(definition));
    for (const definition of definitions.workflows ?? []) this.#add(runnableFunction(definition));
  }

  get(kind: TaskKind, name: string): Runnable | undefined {
    return this.#runnables.get(`${kind} ${name}`);
  }

  /** The queues that its definitions name. */
  queues(): string[] {
    return [...new Set(Array.from(this.#runnables.values(), ({ queue }) => queue))];
  }

  /** `KIND NAME` of each. */
  names(): string[] {
    return [...this.#runnables.keys()];
  }

  rows(namespace: string): DefinitionRow[] {
    return Array.from(this.#runnables.values(), ({ kind, name, version, queue, data }) => ({
      namespace,
      kind,
      name,
      version,
      queue,
      data: JSON.stringify(data),
    }));
  }

  #add(runnable: Runnable): void {
    const { kind, name } = runnable;
    if (this.get(kind, name) !== undefined) throw duplicateName(kind, name);
    this.#runnables.set(`${kind} ${name}`, runnable);
  }
}

function runnableAgent(
  agent: AgentDefinition,
  environment: AgentEnvironment,
  inputSchema: Json | undefined,
): Runnable {
  return {
    kind: 'agent',
    name: agent.name,
    version: agent.version ?? '1',
    queue: defaultQueue,
    retry: defaultRetry,
    attemptTimeoutMs: undefined,
    data: { description: agent.description, inputSchema, timeoutMs: agent.timeoutMs },
    budget: budgetOf(agent),
    mode: 'history',
    body: (steps, { task, options, isWatched }) =>
      runAgentTask(steps, environment, {
        agent,
        input: parseInput(task.input),
        sessionId: task.sessionId,
        injectMcpProxy: options.injectMcpProxy,
        isWatched,
      }),
  };
}

const budgetOf = ({ limits: { tokens, costMicroUsd } = {} }: AgentDefinition): BudgetAmount => ({
  ...(tokens === undefined ? {} : { tokens }),
  ...(costMicroUsd === undefined ? {} : { costMicroUsd }),
});

function runnableFunction(definition: DurableDefinition): Runnable {
  const { kind, name, version = '1', queue = defaultQueue, description, input: schema } = definition;
  const run = definition.run.bind(definition) as (ctx: unknown, input: unknown) => unknown;
  const body: Runnable['body'] =
    schema === undefined
      ? (steps, { task }) => run(createContext(steps), parseInput(task.input))
      : async (steps, { task }) => run(createContext(steps), await decodeInput(schema, name, task.input));
  return {
    kind,
    name,
    version,
    queue,
    retry: mergeRetry(defaultRetry, definition.retry),
    attemptTimeoutMs: definition.attemptTimeoutMs,
    data: {
      description,
      inputSchema: schema === undefined ? undefined : inputSchemaOf(definition, schema),
      attemptTimeoutMs: definition.attemptTimeoutMs,
      timeoutMs: definition.timeoutMs,
      concurrency: definition.concurrency,
      rate: definition.rate,
    },
    mode: 'replay',
    body,
  };
}

function inputSchemaOf({ kind, name }: DurableDefinition, schema: StandardSchemaV1): Json {
  try {
    return jsonSchemaOf(schema);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OpspawnError('config_invalid', `The input of the ${kind} "${name}": ${reason}`, {
      cause,
      details: { kind, name, key: 'input' },
    });
  }
}

async function decodeInput(
  schema: StandardSchemaV1,
  name: string,
  text: string | undefined,
): Promise<unknown> {
  const result = await validateBy(schema, parseInput(text));
  if (result.issues === undefined) return result.value;
  const problems = result.issues.map(({ message, path = [] }) => {
    const keys = path.map((key) => String(typeof key === 'object' ? key.key : key));
    return `${['input', ...keys].join('.')}: ${message}`;
  });
  throw new OpspawnError('invalid_argument', `${name}: ${problems.join('; ')}`, {
    details: { path: '/input' },
  });
}

const parseInput = (text: string | undefined): Json | undefined =>
  text === undefined ? undefined : (JSON.parse(text) as Json);

const duplicateName = (kind: TaskKind, name: string): OpspawnError =>
  new OpspawnError('config_invalid', `Two definitions of the kind ${kind} have the name "${name}"`, {
    details: { kind, name, key: 'name' },
  });
