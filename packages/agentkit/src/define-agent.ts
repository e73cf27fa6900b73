import type { AgentDefinition } from './agent.ts';
import { checkAgent } from './agent-schema.ts';
import type { AgentEvent, EventSink } from './event.ts';
import { EventQueue } from './event-queue.ts';
import type { Json } from './json.ts';
import { createMemory } from './memory/create-memory.ts';
import type { Memory } from './memory/memory.ts';
import { type MemoryStepsOptions, memorySteps } from './memory-steps.ts';
import type { ModelRegistry } from './model/model.ts';
import { createModelRegistry } from './model/registry.ts';
import { scriptedProvider } from './model/scripted/scripted-models.ts';
import { runAgent } from './run-agent.ts';
import type { RunEnvironment, RunInput, RunResult } from './run-environment.ts';
import { environmentSecrets, type KnownSecrets } from './security/secrets.ts';
import type { SecurityManager } from './security/security.ts';
import { createSecurityManager } from './security/security-rules.ts';
import type { SchemaOutput, StandardSchemaV1 } from './tool/standard-schema.ts';

/** What a run in this process may be given. Everything has a default. */
export interface RunOptions
  extends Omit<RunInput, 'prompt'>,
    Pick<MemoryStepsOptions, 'namespace' | 'onApproval' | 'onQuestion' | 'onLog'>,
    Pick<RunEnvironment, 'mcp' | 'extraTools'> {
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

/** A run that is watched: its events in order, from the first one, for one reader. */
export interface AgentStream<Output = Json> extends AsyncIterable<AgentEvent> {
  /** How the run ended. Rejects as `run` does; the events end with `run.failed` then. */
  readonly result: Promise<RunResult<Output>>;
}

export interface Agent<Output = Json> extends AgentDefinition {
  /** Runs the agent in this process. Throws what `runAgent` throws. */
  run(prompt: RunInput['prompt'], options?: RunOptions): Promise<RunResult<Output>>;
  /** The same, told while it happens. The run goes on when nobody reads; stop it by `signal`. */
  stream(prompt: RunInput['prompt'], options?: RunOptions): AgentStream<Output>;
}

/** Without a schema the output is the text of the last answer. */
type OutputOf<Definition> = Definition extends { output: infer Schema extends StandardSchemaV1 }
  ? SchemaOutput<Schema>
  : string;

/**
 * An agent that can run alone in this process, or under ops-core. Throws `config_invalid`, naming the path, for
 * anything in the definition that is not known or not right.
 */
export function defineAgent<const Definition extends AgentDefinition>(
  definition: Definition,
): Agent<OutputOf<Definition>> {
  checkAgent(definition);
  const defaults = lazyDefaults();
  const run = async (prompt: RunInput['prompt'], options: RunOptions = {}): Promise<RunResult<never>> => {
    const { sessionId, injectMcpProxy, ...rest } = options;
    const input: RunInput = {
      prompt,
      ...(sessionId && { sessionId }),
      ...(injectMcpProxy && { injectMcpProxy }),
    };
    return (await runHere(definition, input, { ...defaults(), ...rest })) as RunResult<never>;
  };
  return {
    ...definition,
    run,
    stream(prompt, options = {}) {
      const events = new EventQueue(options.onEvent);
      const result = run(prompt, { ...options, onEvent: events.put }).finally(events.end);
      result.catch(() => {}); // who reads the events only has seen `run.failed`
      return { result, [Symbol.asyncIterator]: () => events.read() };
    },
  };
}

type Defaults = Required<Pick<RunOptions, 'models' | 'memory' | 'secrets'>>;

/** Made at the first run and kept for the next ones: sessions and opened models live in them. */
function lazyDefaults(): () => Defaults {
  let made: Defaults | undefined;
  return () => {
    made ??= {
      models: createModelRegistry({ providers: { scripted: scriptedProvider() } }),
      memory: createMemory(),
      secrets: environmentSecrets(),
    };
    return made;
  };
}

/** One run over steps of its own. What is still running when it ends is aborted. */
async function runHere(
  agent: AgentDefinition,
  input: RunInput,
  options: RunOptions & Defaults,
): Promise<RunResult> {
  const { models, memory, secrets, mcp, extraTools, onEvent, signal, ...rest } = options;
  const { security = createSecurityManager({ secrets }), ...stepOptions } = rest;
  const ending = new AbortController();
  const stop = (): void => ending.abort(signal?.reason);
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  try {
    return await runAgent(agent, input, {
      steps: memorySteps({ ...stepOptions, signal: ending.signal }),
      models,
      memory,
      secrets,
      security,
      isWatched: () => onEvent !== undefined,
      ...(mcp && { mcp }),
      ...(extraTools && { extraTools }),
      ...(onEvent && { onEvent }),
    });
  } finally {
    signal?.removeEventListener('abort', stop);
    ending.abort();
  }
}
