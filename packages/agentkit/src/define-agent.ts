import type { AgentDefinition } from './agent.ts';
import { checkAgent } from './agent-schema.ts';
import type { AgentEvent } from './event.ts';
import { EventQueue } from './event-queue.ts';
import type { Json } from './json.ts';
import { createMemory } from './memory/create-memory.ts';
import { createModelRegistry } from './model/registry.ts';
import { scriptedProvider } from './model/scripted/scripted-models.ts';
import { checkRunOptions, refuseUnusedHost } from './run/check-run-options.ts';
import type { RunInput, RunResult } from './run/run-environment.ts';
import { type RunDefaults, type RunOptions, runHere } from './run/run-here.ts';
import { environmentSecrets } from './security/secrets.ts';
import type { SchemaOutput, StandardSchemaV1 } from './tool/standard-schema.ts';

/** A run that is watched: its events in order, from the first one, for one reader. */
export interface AgentStream<Output = Json> extends AsyncIterable<AgentEvent> {
  /** How the run ended. Rejects as `run` does; the events end with `run.failed` then. */
  readonly result: Promise<RunResult<Output>>;
}

export interface Agent<Output = Json> extends AgentDefinition {
  /** Runs the agent in this process. Throws what `runAgent` throws, and `invalid_argument` for options that are not known or not right. */
  run(prompt: RunInput['prompt'], options?: RunOptions): Promise<RunResult<Output>>;
  /** The same, told while it happens. The run goes on when nobody reads; stop it by `signal`. */
  stream(prompt: RunInput['prompt'], options?: RunOptions): AgentStream<Output>;
}

/** Without a schema the output is the text of the last answer. */
export type OutputOf<Definition> = Definition extends { output: infer Schema extends StandardSchemaV1 }
  ? SchemaOutput<Schema>
  : Definition extends { output: { validate: infer Schema extends StandardSchemaV1 } }
    ? SchemaOutput<Schema>
    : Definition extends { output: object }
      ? Json
      : string;

/** A key that is not known is an error of types too, which what is inferred from a value would let pass. */
export type OnlyKeysOf<Known, Given> = { [Key in Exclude<keyof Given, keyof Known>]: never };

/**
 * An agent that can run alone in this process, or under ops-core. Throws `config_invalid`, naming the path, for
 * anything in the definition that is not known or not right.
 */
export function defineAgent<const Definition extends AgentDefinition>(
  definition: Definition & OnlyKeysOf<AgentDefinition, Definition>,
): Agent<OutputOf<Definition>> {
  checkAgent(definition);
  const defaults = lazyDefaults();
  const run = async (
    prompt: RunInput['prompt'],
    options: RunOptions = {},
    ...more: readonly unknown[]
  ): Promise<RunResult<never>> => {
    checkRunOptions(options, more);
    refuseUnusedHost(definition, options);
    const { sessionId, userId, injectMcpProxy, depth, taintedBy, ...rest } = options;
    const input: RunInput = {
      prompt,
      ...(sessionId && { sessionId }),
      ...(userId && { userId }),
      ...(injectMcpProxy && { injectMcpProxy }),
      ...(depth !== undefined && { depth }),
      ...(taintedBy && { taintedBy }),
    };
    return (await runHere(definition, input, { ...defaults(), ...rest })) as RunResult<never>;
  };
  return {
    ...definition,
    run,
    stream(prompt, options = {}, ...more: readonly unknown[]) {
      checkRunOptions(options, more);
      const events = new EventQueue(options.onEvent);
      const result = run(prompt, { ...options, onEvent: events.put }).finally(events.end);
      result.catch(() => {}); // who reads the events only has seen `run.failed`
      return { result, [Symbol.asyncIterator]: () => events.read() };
    },
  };
}

/** Made at the first run and kept for the next ones: sessions and opened models live in them. */
function lazyDefaults(): () => RunDefaults {
  let made: RunDefaults | undefined;
  return () => {
    made ??= {
      models: createModelRegistry({ providers: { scripted: scriptedProvider() } }),
      memory: createMemory(),
      secrets: environmentSecrets(),
    };
    return made;
  };
}
