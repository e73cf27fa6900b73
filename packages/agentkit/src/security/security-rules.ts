import type { Json } from '../json.ts';
import { createRedactor } from './redactor.ts';
import type { SecurityManager, ToolRequest, Verdict } from './security.ts';

/** What of a request a rule is about, and what holds then. A part that is absent fits every request. */
export interface SecurityRule {
  /** Name of the agent; `*` stands for any run of characters. */
  agent?: string;
  /** Name of the tool; `*` stands for any run of characters: `files__*`. */
  tool?: string;
  /** Looks at the checked arguments. One that throws counts as fitting, and then nothing is allowed: it denies. */
  when?: (input: Json, request: ToolRequest) => boolean;
  decision: Verdict['decision'];
  /** Told to the model when it denies, and to the person who is asked. */
  reason?: string;
}

export interface SecurityManagerOptions {
  /** The first one that fits decides. Default: none. */
  rules?: readonly SecurityRule[];
  /** What holds when no rule fits. Default `allow`. */
  otherwise?: Verdict['decision'];
  /** Whose values are redacted: `secretsFrom(…)`, `environmentSecrets()`, or any set of them. */
  secrets?: { values(): Iterable<string> };
}

/** Decides by rules, and redacts every secret that was given out. A person is asked by the approval that follows `ask`. */
export function createSecurityManager(options: SecurityManagerOptions = {}): SecurityManager {
  const { rules = [], otherwise = 'allow', secrets } = options;
  const compiled = rules.map((rule) => ({ ...rule, agent: globOf(rule.agent), tool: globOf(rule.tool) }));
  return {
    decide(request) {
      for (const { agent, tool, when, decision, reason = 'a rule says so' } of compiled) {
        if (!agent.test(request.agent) || !tool.test(request.tool)) continue;
        const fits = when === undefined ? true : ask(when, request);
        if (fits === 'broken') return { decision: 'deny', reason: 'the rule about this call is broken' };
        if (fits) return verdictOf(decision, reason);
      }
      return verdictOf(otherwise, 'no rule allows it');
    },
    redact: secrets === undefined ? (value) => value : createRedactor(secrets),
  };
}

function ask(when: NonNullable<SecurityRule['when']>, request: ToolRequest): boolean | 'broken' {
  try {
    return when(request.input, request);
  } catch {
    return 'broken';
  }
}

const verdictOf = (decision: Verdict['decision'], reason: string): Verdict =>
  decision === 'allow' ? { decision } : { decision, reason };

function globOf(pattern = '*'): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}
