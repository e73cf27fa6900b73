import { OpspawnError } from '../errors.ts';
import type { RedactedStream, SecurityManager, Verdict } from './security.ts';

const strictness = { allow: 0, ask: 1, deny: 2 } as const satisfies Record<Verdict['decision'], number>;

/** Both managers as one: of two verdicts the stricter counts, and both redact. */
export function strictest(first: SecurityManager, second: SecurityManager | undefined): SecurityManager {
  if (second === undefined) return first;
  const { timeoutMs: approvalTimeoutMs } = shorter(first.approvalTimeoutMs, second.approvalTimeoutMs);
  return {
    ...(approvalTimeoutMs !== undefined && { approvalTimeoutMs }),
    async decide(request) {
      const verdict = checkVerdict(await first.decide(request));
      if (verdict.decision === 'deny') return verdict;
      const other = checkVerdict(await second.decide(request));
      if (verdict.decision === 'ask' && other.decision === 'ask')
        return { ...verdict, ...shorter(patience(first, verdict), patience(second, other)) };
      return strictness[other.decision] > strictness[verdict.decision] ? other : verdict;
    },
    redact: (value) => second.redact(first.redact(value)),
    redactStream() {
      const [before, after] = [streamOf(first), streamOf(second)];
      return {
        push: (text) => after.push(before.push(text)),
        end: () => after.push(before.end()) + after.end(),
      };
    },
  };
}

const patience = (
  { approvalTimeoutMs }: SecurityManager,
  { timeoutMs = approvalTimeoutMs }: Extract<Verdict, { decision: 'ask' }>,
): number | undefined => timeoutMs;

function shorter(...times: (number | undefined)[]): { timeoutMs?: number } {
  const known = times.filter((ms) => ms !== undefined);
  return known.length > 0 ? { timeoutMs: Math.min(...known) } : {};
}

/** Throws for a verdict that is none: by itself it would count as the mildest. One without a reason says that. */
export function checkVerdict(verdict: Verdict): Verdict {
  if (Object.hasOwn(strictness, verdict?.decision))
    return verdict.decision === 'allow' || typeof verdict.reason === 'string'
      ? verdict
      : { ...verdict, reason: 'no reason was given' };
  throw new OpspawnError('internal', 'The security manager gave a verdict that is none');
}

/** How a manager cleans what comes in pieces. */
export const streamOf = (security: SecurityManager): RedactedStream =>
  security.redactStream?.() ?? { push: (text) => security.redact(text), end: () => '' };
