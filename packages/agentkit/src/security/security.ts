import type { Json } from '../json.ts';
import type { ToolAnnotations } from '../tool/tool.ts';

export interface ToolRequest {
  namespace: string;
  agent: string;
  taskId: string;
  tool: string;
  input: Json;
  annotations: ToolAnnotations;
  /** Content from outside (a tool's output, a web page) stands in the conversation already. */
  tainted: boolean;
}

export type Verdict = { decision: 'allow' } | { decision: 'ask' | 'deny'; reason: string };

/** Policy outside the model: decides about every tool call and cleans what leaves the process. */
export interface SecurityManager {
  decide(request: ToolRequest): Promise<Verdict> | Verdict;
  /** The value with known secrets replaced by `[redacted]`, in strings at any depth. */
  redact<T extends Json | undefined>(value: T): T;
}

/** Where secrets come from. */
export interface Secrets {
  /** undefined when there is none of that name. */
  get(name: string): Promise<string | undefined>;
}
