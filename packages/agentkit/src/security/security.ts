import type { Json } from '../json.ts';
import type { ToolAnnotations } from '../tool/tool.ts';

export interface ToolRequest {
  namespace: string;
  agent: string;
  taskId: string;
  tool: string;
  input: Json;
  annotations: ToolAnnotations;
  /** Content from outside stands in the conversation already, so that somebody else may steer the model. */
  tainted: boolean;
  /** The tools that it came from, those of earlier runs of the session and of agents above among them. */
  taintedBy: readonly string[];
}

/** `timeoutMs`: how long a person may take; without a decision by then the call is denied. */
export type Verdict =
  | { decision: 'allow' }
  | { decision: 'deny'; reason: string }
  | { decision: 'ask'; reason: string; timeoutMs?: number };

/** A text that comes in pieces, without the secrets that stand in it, across pieces too. */
export interface RedactedStream {
  /** What of the text so far may be passed on. */
  push(text: string): string;
  /** The rest. */
  end(): string;
}

/** Policy outside the model: decides about every tool call and cleans what leaves the process. */
export interface SecurityManager {
  decide(request: ToolRequest): Promise<Verdict> | Verdict;
  /** The value with known secrets replaced by `[redacted]`, in strings at any depth. */
  redact<T extends Json | undefined>(value: T): T;
  /** How long a person may take to decide where the verdict says nothing else, in ms. Default: as long as the run may. */
  readonly approvalTimeoutMs?: number;
  /** For what a model says while it says it. Default: each piece by itself is given to `redact`. */
  redactStream?(): RedactedStream;
}

/** Where secrets come from. */
export interface Secrets {
  /** undefined when there is none of that name. */
  get(name: string): Promise<string | undefined>;
}
