import { z } from 'zod';
import { checkOptions } from '../check-options.ts';
import { OpspawnError } from '../errors.ts';
import { jsonSchema, usageSchema } from '../message.ts';

const share = z.number().min(0).max(1);
const scores = z.record(z.string(), share);

const caseResultSchema = z.object({
  id: z.string(),
  /** Absent when the run failed. */
  output: jsonSchema.optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  /** By scorer. A run that failed scores 0. */
  scores,
  /** Why, where a scorer said so. */
  reasons: z.record(z.string(), z.string()).optional(),
  usage: usageSchema.optional(),
  /** With all that it handed work on to. */
  spent: z
    .object({ tokens: z.number().exactOptional(), costMicroUsd: z.number().exactOptional() })
    .optional(),
  turns: z.int().optional(),
  durationMs: z.number(),
});

/** What came of an evaluation, as it is kept in a file. */
export const evalReportSchema = z.object({
  format: z.literal('opspawn-eval/1'),
  agent: z.string(),
  startedAt: z.iso.datetime(),
  cases: z.array(caseResultSchema),
  /** Mean of each scorer over all cases. */
  scores,
  /** Runs that failed. */
  failed: z.int(),
  usage: usageSchema,
});

export type EvalCaseResult = z.infer<typeof caseResultSchema>;
export type EvalReport = z.infer<typeof evalReportSchema>;

/** A scorer whose mean is not what it has to be. */
export interface MissedScore {
  scorer: string;
  wanted: number;
  /** undefined: there is no such scorer. */
  got: number | undefined;
}

/** The thresholds (from 0 to 1), by scorer, that the means do not reach. Throws `invalid_argument`. */
export function missedThresholds(
  report: EvalReport,
  thresholds: Readonly<Record<string, number>>,
): MissedScore[] {
  checkReport('The report', report);
  checkOptions('The record of thresholds', scores, thresholds, 'invalid_argument');
  const { scores: means } = report;
  return Object.entries(thresholds)
    .map(([scorer, wanted]) => ({
      scorer,
      wanted,
      got: Object.hasOwn(means, scorer) ? means[scorer] : undefined,
    }))
    .filter(({ wanted, got }) => got === undefined || got < wanted);
}

const changeSchema = z.object({ id: z.string(), scorer: z.string(), before: share, after: share });
const comparisonSchema = z.object({
  /** Mean of each scorer that both have, over the cases that both have. */
  scores: z.record(z.string(), z.object({ before: share, after: share })),
  worse: z.array(changeSchema),
  better: z.array(changeSchema),
  /** Cases that only one of them has. */
  onlyBefore: z.array(z.string()),
  onlyAfter: z.array(z.string()),
});

export type EvalChange = z.infer<typeof changeSchema>;
export type EvalComparison = z.infer<typeof comparisonSchema>;

export const checkReport = (what: string, report: EvalReport): void =>
  checkOptions(what, evalReportSchema, report, 'invalid_argument');
export const checkComparison = (comparison: EvalComparison): void =>
  checkOptions('The comparison of two reports', comparisonSchema, comparison, 'invalid_argument');

/** What has changed from one report to another, by case and scorer. Throws `invalid_argument` for what is no report. */
export function compareEvals(before: EvalReport, after: EvalReport): EvalComparison {
  checkReport('The report before', before);
  checkReport('The report after', after);
  const earlier = new Map(before.cases.map((each) => [each.id, each]));
  const both = after.cases.flatMap((each) => {
    const old = earlier.get(each.id);
    return old === undefined ? [] : [{ old, each }];
  });
  const scorers = Object.keys(after.scores).filter((scorer) => Object.hasOwn(before.scores, scorer));
  const changes = both.flatMap(({ old, each }) =>
    scorers.map((scorer) => ({
      id: each.id,
      scorer,
      before: old.scores[scorer] ?? 0,
      after: each.scores[scorer] ?? 0,
    })),
  );
  const ids = new Set(after.cases.map(({ id }) => id));
  return {
    scores: Object.fromEntries(
      scorers.map((scorer) => {
        const own = changes.filter((change) => change.scorer === scorer);
        return [
          scorer,
          {
            before: mean(own.map((change) => change.before)),
            after: mean(own.map((change) => change.after)),
          },
        ];
      }),
    ),
    worse: changes.filter((change) => change.after < change.before),
    better: changes.filter((change) => change.after > change.before),
    onlyBefore: before.cases.map(({ id }) => id).filter((id) => !ids.has(id)),
    onlyAfter: after.cases.map(({ id }) => id).filter((id) => !earlier.has(id)),
  };
}

export const mean = (numbers: readonly number[]): number =>
  numbers.length === 0 ? 0 : numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

/** A report that was kept. Throws `invalid_argument` for a text that is none. */
export function parseEvalReport(text: string): EvalReport {
  try {
    return evalReportSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new OpspawnError('invalid_argument', 'It is no report of an evaluation', { cause });
  }
}
