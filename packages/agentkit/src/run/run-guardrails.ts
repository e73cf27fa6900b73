import { describeThrown, GuardrailError, isOpspawnError, isRetryable, OpspawnError } from '../errors.ts';
import type { Guardrail } from '../guardrail.ts';
import type { Json } from '../json.ts';
import { type RunContext, redactError, shorten, untilWallTime } from './run-context.ts';

/** Of a reason: it is recorded, and stands in an error twice. */
const maxReasonLength = 2_000;

/** Throws `GuardrailError` when one of the agent's guardrails objects to the prompt. */
export const guardInput = (run: RunContext): Promise<void> =>
  guard(run, 'input', run.first.guardrails?.input, run.state.goal);

/** Throws `GuardrailError` when one of the agent's guardrails objects to the output. */
export const guardOutput = (run: RunContext, output: Json): Promise<void> =>
  guard(run, 'output', run.first.guardrails?.output, output);

/** All are asked side by side; of those that object the first one in the list counts. */
async function guard<Subject>(
  run: RunContext,
  on: 'input' | 'output',
  guardrails: readonly Guardrail<Subject>[] = [],
  subject: Subject,
): Promise<void> {
  const objections = await Promise.all(guardrails.map((guardrail) => ask(run, on, guardrail, subject)));
  for (const [index, { name }] of guardrails.entries()) {
    const objection = objections[index];
    if (typeof objection === 'string') throw new GuardrailError(name, on, objection);
  }
}

async function ask<Subject>(
  run: RunContext,
  on: 'input' | 'output',
  guardrail: Guardrail<Subject>,
  subject: Subject,
): Promise<string | null> {
  const { steps, state, security, limits } = run;
  const { name } = guardrail;
  const timeoutMs = limits.remainingMs();
  const assertInTime = limits.watchWallTime();
  const answer = steps.run(
    `guardrail:${on}:${name}`,
    async ({ signal }) => {
      assertInTime();
      try {
        // its own to change: it is not asked again by a run that is resumed, which would miss the change
        const [own, messages] = structuredClone([subject, state.messages] as const);
        const said: unknown = await guardrail(own, { messages, signal });
        return typeof said === 'string'
          ? shorten(security.redact(said), maxReasonLength)
          : nothing(name, said);
      } catch (thrown) {
        if (isOpspawnError(thrown)) throw redactError(security, thrown);
        const message = `The guardrail ${name} failed: ${describeThrown(thrown)}`;
        const options = { cause: thrown, details: { guardrail: name }, retryable: isRetryable(thrown) };
        throw redactError(security, new OpspawnError('internal', message, options));
      }
    },
    { effect: 'read', ...(Number.isFinite(timeoutMs) && { timeoutMs }) },
  );
  return await untilWallTime(run, `The guardrail ${name}`, answer.catch(limits.explainTimeout));
}

/** `false` could mean either: nothing passes by mistake. */
function nothing(guardrail: string, said: unknown): null {
  if (said === undefined || said === null) return null;
  throw new OpspawnError(
    'config_invalid',
    `The guardrail ${guardrail} gave a ${typeof said}: it gives a text or nothing`,
    { details: { guardrail } },
  );
}
