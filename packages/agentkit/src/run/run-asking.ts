/** What a call asks of a person before it goes on: rounds of the call, each a step of its own, and waits between them. */
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import type { WaitRequest } from '../steps.ts';
import {
  type InputAnswer,
  type InputRequest,
  InputRequired,
  type ResumedCall,
} from '../tool/input-required.ts';
import { jsonSchemaIssues } from '../tool/json-schema.ts';
import type { PreparedCall } from '../tool/tool.ts';
import type { RunContext } from './run-context.ts';

/** A tool that asks on and on would hold its run for ever. */
const maxRounds = 10;
/** How often an answer that does not fit is asked for again. */
const maxTries = 3;

/** One round of a call: rejects with a recorded `input_required` when there has to be another one. */
export type Round = (resumed: ResumedCall | undefined) => Promise<Json | undefined>;

/** Makes a call, asking a person between its rounds as often as it wants. */
export async function callInRounds(
  run: RunContext,
  step: string,
  { letGo }: Pick<PreparedCall, 'letGo'>,
  makeRound: Round,
): Promise<Json | undefined> {
  let resumed: ResumedCall | undefined;
  for (let round = 1; ; round += 1) {
    try {
      return await makeRound(resumed);
    } catch (thrown) {
      const needed = thrown instanceof OpspawnError ? InputRequired.fromError(thrown) : undefined;
      if (needed === undefined) throw thrown;
      if (round > maxRounds) {
        letGo?.(needed.state);
        return await refuseMore(run, step);
      }
      resumed = { state: needed.state, answers: await askAll(run, `${step} ${round}`, needed, letGo) };
    }
  }
}

/** The end of the call, recorded as such. */
function refuseMore({ steps }: RunContext, step: string): Promise<undefined> {
  const error = new OpspawnError('tool_failed', `It asked a person ${maxRounds} times, and again`, {
    retryable: false,
  });
  return steps.run(step, () => Promise.reject(error), { kind: 'tool', effect: 'read' });
}

async function askAll(
  run: RunContext,
  round: string,
  { requests, state }: InputRequired,
  letGo: PreparedCall['letGo'],
): Promise<ResumedCall['answers']> {
  try {
    const asked = Object.entries(requests).map(async ([name, request], index) => {
      return [name, await ask(run, `asks ${round}.${index}`, request)] as const;
    });
    return Object.fromEntries(await Promise.all(asked));
  } catch (thrown) {
    letGo?.(state);
    throw thrown;
  }
}

/** Asks until the answer fits its schema; servers of ops-core refuse one that does not before it gets here. */
async function ask(run: RunContext, name: string, request: InputRequest): Promise<InputAnswer> {
  let prompt = run.security.redact(request.prompt);
  for (let tries = 1; tries <= maxTries; tries += 1) {
    const answer = await askOnce(run, { ...request, prompt, kind: 'question', name });
    if (answer.outcome !== 'answered' || request.schema === undefined) return answer;
    const problems = await jsonSchemaIssues(request.schema, answer.value);
    if (problems.length === 0) return answer;
    const said = problems.map(({ pointer, message }) => `- ${pointer || '/'}: ${message}`);
    prompt = [request.prompt, '', 'The answer was not as asked for:', ...said].join('\n');
  }
  return { outcome: 'unanswered' };
}

async function askOnce(
  { steps, limits, security }: RunContext,
  {
    timeoutMs: patienceMs = Number.POSITIVE_INFINITY,
    schema,
    prompt,
    kind,
    name,
  }: InputRequest & Pick<Extract<WaitRequest, { kind: 'question' }>, 'kind' | 'name'>,
): Promise<InputAnswer> {
  const timeoutMs = Math.min(patienceMs, limits.remainingMs());
  const question: WaitRequest = { kind, name, prompt, redact: (said) => security.redact(said) };
  if (schema !== undefined) question.schema = schema;
  if (Number.isFinite(timeoutMs)) question.timeoutMs = timeoutMs;
  try {
    return { outcome: 'answered', value: (await steps.wait(question)) ?? null };
  } catch (thrown) {
    if (!(thrown instanceof OpspawnError)) throw thrown;
    if (thrown.code === 'declined') return { outcome: 'declined' };
    if (thrown.code === 'timeout') {
      limits.remainingMs();
      return { outcome: 'unanswered' };
    }
    // nobody can be asked in this run: whoever asks has to do without
    if (thrown.code !== 'config_invalid') throw thrown;
    steps.log('warn', `A question found nobody to answer it: ${thrown.message}`);
    return { outcome: 'unanswered' };
  }
}
