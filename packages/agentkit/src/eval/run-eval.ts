import { z } from 'zod';
import type { AgentDefinition } from '../agent.ts';
import { abortSignal, callable, checkOptions, count, having } from '../check-options.ts';
import { systemClock } from '../clock.ts';
import { type Agent, defineAgent } from '../define-agent.ts';
import { OpspawnError, recordError } from '../errors.ts';
import type { Usage } from '../message.ts';
import { checkRunOptions } from '../run/check-run-options.ts';
import type { RunOptions } from '../run/run-here.ts';
import { runWithin, stopError } from '../run/run-within.ts';
import { type EvalCase, evalCaseSchema } from './eval-case.ts';
import { type EvalCaseResult, type EvalReport, mean } from './eval-report.ts';
import type { Score, ScoredRun, Scorer } from './scorer.ts';

/** A scorer may ask a model; one that has said nothing for so long will not. */
const scorerTimeoutMs = 600_000;

export interface EvalOptions {
  agent: AgentDefinition | Agent<unknown>;
  cases: readonly EvalCase[];
  /** Names must differ. */
  scorers: readonly Scorer[];
  /** Runs side by side. Default 4. */
  concurrency?: number;
  /** For every run. */
  run?: Omit<RunOptions, 'signal' | 'onEvent' | 'sessionId'>;
  /** Stops the evaluation: it rejects as a run would. */
  signal?: AbortSignal;
  /** Told of each case as it is done. */
  onCase?: (result: EvalCaseResult, done: number) => void;
}

const optionsSchema = z.strictObject({
  agent: having<AgentDefinition>('name', 'instructions'),
  cases: z.array(evalCaseSchema),
  scorers: z.array(having<Scorer>('name', 'score')),
  concurrency: count.optional(),
  /** Looked at by `checkRunOptions`. */
  run: z.unknown().optional(),
  signal: abortSignal.optional(),
  onCase: callable.optional(),
} satisfies Record<keyof EvalOptions, z.ZodType>);

/**
 * Runs the agent over all cases and scores what comes of them, in the order of the cases whatever order they end in. A run
 * that fails is a result; what ends the evaluation is a mistake in what was asked (`invalid_argument`) and the signal.
 */
export async function runEval(options: EvalOptions): Promise<EvalReport> {
  checkOptions('The evaluation', optionsSchema, options, 'invalid_argument');
  const { agent, cases, scorers, concurrency = 4, onCase } = options;
  if (options.run !== undefined) checkRunOptions(options.run, []);
  checkIds(cases);
  checkScorers(cases, scorers);
  for (const scorer of scorers) await scorer.check?.();
  const startedAt = new Date().toISOString();
  const runnable = 'run' in agent ? agent : defineAgent(agent);
  const results: EvalCaseResult[] = [];
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < cases.length; index = next++) {
      const each = cases[index] as EvalCase;
      const identified = { ...each, id: each.id ?? String(index + 1) };
      const result = await runCase(runnable, identified, options);
      results[index] = result;
      done += 1;
      onCase?.(result, done);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, cases.length) }, work));
  return {
    format: 'opspawn-eval/1',
    agent: agent.name,
    startedAt,
    cases: results,
    scores: Object.fromEntries(
      scorers.map(({ name }) => [name, mean(results.map(({ scores }) => scores[name] ?? 0))]),
    ),
    failed: results.filter(({ error }) => error !== undefined).length,
    usage: sum(results.flatMap(({ usage }) => usage ?? [])),
  };
}

/** Reports are compared by them. */
function checkIds(cases: readonly EvalCase[]): void {
  const ids = cases.map(({ id }, index) => id ?? String(index + 1));
  const twice = ids.find((id, index) => ids.indexOf(id) < index);
  if (twice === undefined) return;
  throw new OpspawnError('invalid_argument', `The id ${JSON.stringify(twice)} is there twice`);
}

function checkScorers(cases: readonly EvalCase[], scorers: readonly Scorer[]): void {
  const names = new Set(scorers.map(({ name }) => name));
  if (names.size < scorers.length) throw new OpspawnError('invalid_argument', 'Two scorers have one name');
  const odd = scorers.find(({ name }) => name.trim() === '' || name in Object.prototype);
  if (odd !== undefined)
    throw new OpspawnError('invalid_argument', `${JSON.stringify(odd.name)} is no name for a scorer`);
  const needing = scorers.find(({ needsExpected }) => needsExpected === true);
  const without = cases.findIndex(({ expected }) => expected === undefined);
  if (needing === undefined || without === -1) return;
  const id = cases[without]?.id ?? without + 1;
  throw new OpspawnError('invalid_argument', `${needing.name} needs "expected", and case ${id} has none`, {
    details: { scorer: needing.name, case: id },
  });
}

async function runCase(
  agent: Agent<unknown>,
  evalCase: EvalCase & { id: string },
  { scorers, run = {}, signal = new AbortController().signal }: EvalOptions,
): Promise<EvalCaseResult> {
  const startedAt = performance.now();
  const { id, input } = evalCase;
  try {
    const ended = await agent.run(input, { ...run, signal });
    const { output, usage, spent, turns } = ended as ScoredRun;
    const scored = await scoreAll(scorers, { ...(ended as ScoredRun), case: evalCase, signal });
    const durationMs = Math.round(performance.now() - startedAt);
    return { id, output, ...scored, usage, ...(spent && { spent }), turns, durationMs };
  } catch (thrown) {
    if (signal.aborted) throw stopError(signal);
    const { code, message } = recordError(thrown);
    const scores = Object.fromEntries(scorers.map(({ name }) => [name, 0]));
    return { id, error: { code, message }, scores, durationMs: Math.round(performance.now() - startedAt) };
  }
}

async function scoreAll(
  scorers: readonly Scorer[],
  run: ScoredRun,
): Promise<Pick<EvalCaseResult, 'scores' | 'reasons'>> {
  const scores: Record<string, number> = {};
  const reasons: Record<string, string> = {};
  for (const scorer of scorers) {
    const { score, reason } = await scoreOne(scorer, run);
    scores[scorer.name] = score;
    if (reason !== undefined) reasons[scorer.name] = reason;
  }
  return { scores, ...(Object.keys(reasons).length > 0 && { reasons }) };
}

async function scoreOne(scorer: Scorer, run: ScoredRun): Promise<{ score: number; reason?: string }> {
  try {
    const bounds = { what: `The scorer ${scorer.name}`, signal: run.signal, clock: systemClock };
    const said = asScore(
      await runWithin({ ...bounds, timeoutMs: scorerTimeoutMs }, (signal) =>
        scorer.score({ ...run, signal }),
      ),
    );
    if (said.score >= 0 && said.score <= 1) return said;
    return { score: 0, reason: `${scorer.name} gave ${said.score}: a score is from 0 to 1` };
  } catch (thrown) {
    if (run.signal.aborted) throw thrown;
    return { score: 0, reason: recordError(thrown).message };
  }
}

function asScore(given: Score): { score: number; reason?: string } {
  const { score, reason }: { score: unknown; reason?: unknown } =
    typeof given === 'object' && given !== null ? given : { score: given ?? Number.NaN };
  return { score: Number(score), ...(typeof reason === 'string' && { reason }) };
}

function sum(usages: readonly Usage[]): Usage {
  const isPriced = usages.every(({ costMicroUsd }) => costMicroUsd !== undefined);
  const total = (key: keyof Usage): number => usages.reduce((all, usage) => all + (usage[key] ?? 0), 0);
  return {
    inputTokens: total('inputTokens'),
    cachedInputTokens: total('cachedInputTokens'),
    outputTokens: total('outputTokens'),
    reasoningTokens: total('reasoningTokens'),
    ...(isPriced && { costMicroUsd: total('costMicroUsd') }),
  };
}
