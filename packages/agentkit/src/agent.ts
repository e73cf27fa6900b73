import type { Guardrails } from './guardrail.ts';
import type { Limits } from './limits.ts';
import type { BlockDefinition } from './memory/blocks.ts';
import type { Model, ModelRequest } from './model/model.ts';
import type { Planner } from './planner/planner.ts';
import type { SecurityManager } from './security/security.ts';
import type { StandardSchemaV1 } from './tool/standard-schema.ts';
import type { JsonSchemaInput, ToolManager, Tools } from './tool/tool.ts';
import type { ToolManagerOptions } from './tool/tool-manager.ts';

/** Which tools of the configured MCP servers an agent gets, and how. */
export interface McpAccess {
  /** Names of servers. */
  servers: readonly string[];
  /** `tools` (default): each tool as `server__tool`. `proxy`: the one tool `mcp_proxy`, for large catalogues. */
  as?: 'tools' | 'proxy';
  /** Only these tools (`server__tool`, `*` for any characters). Default: all. */
  allow?: readonly string[];
  /** A list of tools that is larger is replaced by `mcp_proxy`, which searches it. Default 25,000. */
  maxToolTokens?: number;
}

/** When the oldest messages of a long conversation are replaced by a summary of them. */
export interface CompactionOptions {
  /** As soon as what is sent fills more than this share of the model's window, > 0 and < 1. Default 0.75. */
  atShare?: number;
  /** The model's window in tokens. Default: what is known of the model (`contextTokens`); without it nothing is compacted. */
  contextTokens?: number;
}

/** How an agent remembers. */
export interface AgentMemory {
  /** `false`: the conversation is always sent whole. */
  compaction?: CompactionOptions | false;
  /** At most so many messages of the session before a run, the latest. Default: all. */
  sessionMessages?: number;
  /** Working memory: named texts that stand before the prompt, and that the agent edits (`edit_block`, `rewrite_block`). */
  blocks?: Readonly<Record<string, BlockDefinition>>;
}

export interface ModelOptions
  extends Pick<ModelRequest, 'temperature' | 'maxOutputTokens' | 'reasoningEffort'> {
  /** For one try, in ms, waiting for the key's budget included; then it is asked again. Default 600,000. */
  timeoutMs?: number;
  /**
   * How long a provider may ask to be left alone (`Retry-After`), in ms. One that asks for longer has failed for good: of a
   * chain the next model answers, and where none does the run fails. Default 600,000.
   */
  maxRetryAfterMs?: number;
}

export const isAgent = (value: object): value is AgentDefinition =>
  'name' in value && 'instructions' in value;

/** What describes an agent's result: a Standard Schema that can say its JSON Schema, or that with JSON Schema beside it. */
export type AgentOutput = StandardSchemaV1 | JsonSchemaInput;

export interface AgentDefinition {
  /** `[a-z0-9][a-z0-9_-]{0,62}` */
  name: string;
  /** Raised when the meaning of the agent changes. Default `1`. */
  version?: string;
  description?: string;
  instructions: string;
  /**
   * `provider/model`, or a model of your own; of a list the next one is asked when one fails. Default:
   * `AGENTKIT_LLM_PROVIDER`/`AGENTKIT_LLM_MODEL`.
   */
  model?: string | Model | readonly (string | Model)[];
  /** Said with every call of the model; a planner may say otherwise. */
  modelOptions?: ModelOptions;
  tools?: Tools;
  mcp?: McpAccess;
  /** Makes the manager of a run's tools, those of MCP servers among them. Default `createToolManager`. */
  toolManager?: (options: ToolManagerOptions) => ToolManager;
  planner?: Planner;
  memory?: AgentMemory;
  security?: SecurityManager;
  guardrails?: Guardrails;
  limits?: Limits;
  /** Under ops-core: time for a whole task of this agent from when it is accepted, in ms. A run alone: `limits.wallTimeMs`. */
  timeoutMs?: number;
  /** Schema of the result. Default: the text of the last message. */
  output?: AgentOutput;
}
