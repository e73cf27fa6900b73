import type { Json } from '../json.ts';
import type { AssistantMessage, Message, Usage } from '../message.ts';

/** A tool as a model sees it. */
export interface ToolSpec {
  name: string;
  description: string;
  /** JSON Schema of the arguments; `type: "object"`. */
  inputSchema: Json;
}

export interface ModelRequest {
  messages: readonly Message[];
  tools: readonly ToolSpec[];
  toolChoice?: 'auto' | 'required' | 'none' | { tool: string };
  /** JSON Schema that the answer's text must satisfy. */
  outputSchema?: Json;
  temperature?: number;
  maxOutputTokens?: number;
  reasoningEffort?: 'none' | 'low' | 'medium' | 'high';
  /** The longest wait for the budget of the provider's key, in ms; `rate_limited` when it is longer. Default: any. */
  maxWaitMs?: number;
  /** The longest wait that the provider itself asked for; `rate_limited` when it is longer. Default: any. */
  maxRetryAfterMs?: number;
  signal: AbortSignal;
  /** How long one model of a chain may take, in ms; then the next one is asked. Default: as long as the signal lets it. */
  timeoutMs?: number;
  /** Called with each piece as it arrives. Absent: the model need not stream. */
  onDelta?: (delta: { kind: 'text' | 'reasoning'; text: string }) => void;
  /** What was handed out so far is void: another model begins anew. Absent: then no other one is asked. */
  onReset?: (reason: string) => void;
  /** For models that keep what they are asked: the value without the secrets that the run knows. */
  redact?: <T extends Json | undefined>(value: T) => T;
}

export interface ModelReply {
  message: AssistantMessage;
  usage: Usage;
  /** What the provider said. Informative: the loop decides by pending tool calls, never by this. */
  finishReason: string;
  /** The model that answered, as `provider/model`. */
  model: string;
}

/** List price of a model, in micro-dollars per million tokens (1,000,000 = 1 US dollar). */
export interface ModelPrice {
  inputMicroUsd: number;
  /** Input read from the provider's cache. Default: as input. */
  cachedInputMicroUsd?: number;
  /** Input written to the provider's cache. Default: as input. */
  cacheWriteMicroUsd?: number;
  /** Reasoning counts as output. */
  outputMicroUsd: number;
  /** Holds for a whole call whose input is longer than this. */
  longContext?: Omit<ModelPrice, 'longContext'> & { aboveTokens: number };
}

/**
 * One language model. Makes exactly one attempt per call: retries, fallback and time-outs are the loop's.
 * Throws `model_failed` (try again; `retryAfterMs` when the provider said so) or `model_rejected` (final).
 * A stream that ends without its end is `model_failed`, never a short answer.
 */
export interface Model {
  /** `provider/model`. */
  readonly id: string;
  /** Size of the context window in tokens, when known. */
  readonly contextTokens?: number;
  /** Largest answer in tokens, when known. */
  readonly maxOutputTokens?: number;
  /** How many models one call may ask, one after the other. Default 1. */
  readonly chainLength?: number;
  /** What its tokens cost, when known. A run with a cost limit refuses a model without. */
  readonly price?: ModelPrice;
  call(request: ModelRequest): Promise<ModelReply>;
}

/** Makes the models of one provider: what stands before the slash in `provider/model`. */
export type ModelProvider = (modelName: string) => Model | Promise<Model>;

/**
 * Finds a model by `provider/model`; `default` is the one that is configured. Throws `invalid_argument`, listing the
 * known providers, or `config_invalid`, naming the variable that is missing.
 */
export interface ModelRegistry {
  resolve(spec: string): Promise<Model>;
}
