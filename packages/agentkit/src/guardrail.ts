import type { Json } from './json.ts';
import type { Message } from './message.ts';

export interface GuardrailContext {
  /** The conversation so far, system message first. */
  readonly messages: readonly Message[];
  /** Aborts with the run. */
  readonly signal: AbortSignal;
}

/**
 * Looks at something and gives why the run must end, or undefined. What it says is recorded: it is asked once per run. It
 * may ask models and servers; one that throws is tried again as any step is, and then ends the run too. It is a named
 * function, and goes by its name.
 */
export type Guardrail<Subject> = (
  subject: Subject,
  context: GuardrailContext,
) => string | undefined | Promise<string | undefined>;

export interface Guardrails {
  /** Look at the text of the prompt before the model is asked. */
  input?: readonly Guardrail<string>[];
  /** Look at the output before anybody gets it and before the session remembers it. */
  output?: readonly Guardrail<Json>[];
}
