import type { EventSink } from '../event.ts';
import type { Json } from '../json.ts';
import type { McpHost } from '../mcp/mcp-host.ts';
import type { Memory } from '../memory/memory.ts';
import type { Message, Usage } from '../message.ts';
import type { ModelRegistry } from '../model/model.ts';
import type { Secrets, SecurityManager } from '../security/security.ts';
import type { BudgetAmount, Steps } from '../steps.ts';
import type { Tools } from '../tool/tool.ts';

/** What a run is given from outside: all of it can be replaced, and each has an in-memory implementation. */
export interface RunEnvironment {
  steps: Steps;
  models: ModelRegistry;
  memory: Memory;
  secrets: Secrets;
  security: SecurityManager;
  mcp?: McpHost;
  /** What tools that declare a `context` are given, by the name of the tool. Never recorded, nor shown to a model. */
  toolContext?: Readonly<Record<string, unknown>>;
  /** Beside the agent's own tools. A name that the agent has already is `invalid_argument`, and so is a handoff. */
  extraTools?: Tools;
  /** Gets every event, also those that can be derived from the journal. What it throws is ignored. */
  onEvent?: EventSink;
  /** Asked before each model call: the answer is streamed only when somebody watches. Default: always. */
  isWatched?: () => boolean;
}

export interface RunInput {
  /** What the user says: text, or a whole user message with files. */
  prompt: string | Extract<Message, { role: 'user' }>['content'];
  sessionId?: string;
  /** Whose memories it may see and write, beside those of the agent and the session. */
  userId?: string;
  /** Adds the tool `mcp_proxy` for this run. */
  injectMcpProxy?: boolean;
  /** How many runs stand above this one. Default 0. */
  depth?: number;
  /** Tools through which content from outside reached who wrote the prompt. Default: none. */
  taintedBy?: readonly string[];
}

export interface RunResult<Output = Json> {
  /** The text of the last answer, or what the agent's `output` schema made of it. */
  output: Output;
  /** Of its own calls. */
  usage: Usage;
  /**
   * With all that it handed work on to, children that failed among them. Without a cost where a price is unknown. Told where the run
   * lives and dies with its process (`agent.run`).
   */
  spent?: BudgetAmount;
  turns: number;
  toolCalls: number;
}
