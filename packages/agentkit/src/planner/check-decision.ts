import { OpspawnError } from '../errors.ts';
import type { PlannerDecision } from './planner.ts';

/** Throws `internal`, naming the planner, for a decision that could not be carried out: asking again would not help. */
export function checkDecision(planner: string, decision: PlannerDecision): void {
  const problem = problemOf(decision);
  if (problem === undefined) return;
  throw new OpspawnError('internal', `The planner ${planner} decided on ${problem}`, { retryable: false });
}

function problemOf(decision: PlannerDecision): string | undefined {
  switch (decision?.do) {
    case 'call_model':
      return isConversation(decision.messages)
        ? undefined
        : 'call_model without messages (a list of messages)';
    case 'take_turn':
      return areCalls(decision.calls) ? undefined : 'take_turn without calls (a list of { tool, input })';
    case 'call_tools':
      return areCalls(decision.calls) ? undefined : 'call_tools without calls (of the pending ones)';
    case 'finish':
      return undefined;
    default:
      return `${JSON.stringify((decision as { do?: unknown } | undefined)?.do) ?? 'nothing'}, which is not known`;
  }
}

/** Whole messages are not looked at: a conversation is long, and nearly all of it is the run's own. */
const isConversation = (messages: unknown): boolean =>
  Array.isArray(messages) &&
  messages.every((message) =>
    message?.role === 'system' ? typeof message.content === 'string' : Array.isArray(message?.content),
  );

const areCalls = (calls: unknown): boolean =>
  Array.isArray(calls) && calls.every((call) => typeof call?.tool === 'string');
