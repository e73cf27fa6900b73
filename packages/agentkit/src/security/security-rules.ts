import { z } from 'zod';
import { callable, checkOptions, having } from '../check-options.ts';
import type { Json } from '../json.ts';
import { matchesPattern } from '../name-pattern.ts';
import { createRedactor } from './redactor.ts';
import type { SecurityManager, ToolRequest, Verdict } from './security.ts';

/** What of a request a rule is about, and what holds then. A part that is absent fits every request. */
export interface SecurityRule {
  /** Name of the agent; `*` stands for any run of characters. */
  agent?: string;
  /** Name of the tool; `*` stands for any run of characters: `files__*`. */
  tool?: string;
  /** Whether content from outside stands in the conversation. */
  tainted?: boolean;
  /** Looks at the checked arguments. One that throws, or gives no boolean, counts as fitting, and then nothing is allowed: it denies. */
  when?: (input: Json, request: ToolRequest) => boolean;
  decision: Verdict['decision'];
  /** Told to the model when it denies, and to the person who is asked. */
  reason?: string;
  /** With `ask`: how long a person may take, in ms; then it is denied. Default: the manager's. */
  timeoutMs?: number;
}

export interface SecurityManagerOptions {
  /** The first one that fits decides. Default: none. */
  rules?: readonly SecurityRule[];
  /** What holds when no rule fits. Default `allow`. */
  otherwise?: Verdict['decision'];
  /** How long a person may take to decide, in ms. Default: as long as the run may. */
  approvalTimeoutMs?: number;
  /** Whose values are redacted: `secretsFrom(…)`, `environmentSecrets()`, or any set of them. */
  secrets?: { values(): Iterable<string> };
}

const decisionSchema = z.enum(['allow', 'deny', 'ask']);
const optionsSchema = z.strictObject({
  rules: z
    .array(
      z.strictObject({
        agent: z.string().optional(),
        tool: z.string().optional(),
        tainted: z.boolean().optional(),
        when: callable.optional(),
        decision: decisionSchema,
        reason: z.string().optional(),
        timeoutMs: z.number().nonnegative().optional(),
      } satisfies Record<keyof SecurityRule, z.ZodType>),
    )
    .optional(),
  otherwise: decisionSchema.optional(),
  approvalTimeoutMs: z.number().nonnegative().optional(),
  secrets: having<{ values(): Iterable<string> }>('values').optional(),
} satisfies Record<keyof SecurityManagerOptions, z.ZodType>);

/**
 * Decides by rules, and redacts every secret that was given out. A person is asked by the approval that follows `ask`.
 * Throws `config_invalid` for what is no rule: with a misspelt key it would be about every call.
 */
export function createSecurityManager(options: SecurityManagerOptions = {}): SecurityManager {
  checkOptions('The security manager', optionsSchema, options);
  const { rules = [], otherwise = 'allow', secrets, approvalTimeoutMs } = options;
  const redact = secrets === undefined ? <T>(value: T): T => value : createRedactor(secrets);
  return {
    decide(request) {
      for (const rule of rules) {
        const { agent = '*', tool = '*', tainted = request.tainted, when } = rule;
        const { decision, reason = 'a rule says so' } = rule;
        if (tainted !== request.tainted) continue;
        if (!matchesPattern(agent, request.agent) || !matchesPattern(tool, request.tool)) continue;
        const fits = when === undefined ? true : ask(when, request);
        if (fits === 'broken') return { decision: 'deny', reason: 'the rule about this call is broken' };
        if (fits) return verdictOf(decision, reason, rule.timeoutMs);
      }
      return verdictOf(otherwise, 'no rule allows it', undefined);
    },
    redact,
    ...(approvalTimeoutMs !== undefined && { approvalTimeoutMs }),
    ...('stream' in redact && { redactStream: redact.stream }),
  };
}

function ask(when: NonNullable<SecurityRule['when']>, request: ToolRequest): boolean | 'broken' {
  try {
    const fits: unknown = when(request.input, request);
    return typeof fits === 'boolean' ? fits : 'broken'; // a promise would always fit
  } catch {
    return 'broken';
  }
}

function verdictOf(decision: Verdict['decision'], reason: string, timeoutMs: number | undefined): Verdict {
  if (decision === 'allow') return { decision };
  if (decision === 'deny' || timeoutMs === undefined) return { decision, reason };
  return { decision, reason, timeoutMs };
}
