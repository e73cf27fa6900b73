import { z } from 'zod';
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

/** The thresholds, by scorer, that the means do not reach. */
export function missedThresholds(
  { scores: means }: EvalReport,
  thresholds: Readonly<Record<string, number>>,
): MissedScore[] {
  return Object.entries(thresholds)
    .map(([scorer, wanted]) => ({ scorer, wanted, got: means[scorer] }))
    .filter(({ wanted, got }) => got === undefined || got < wanted);
}

export interface EvalChange {
  id: string;
  scorer: string;
  before: number;
  after: number;
}

export interface EvalComparison {
  /** Mean of each scorer that both have, over the cases that both have. */
  scores: Record<string, { before: number; after: number }>;
  worse: EvalChange[];
  better: EvalChange[];
  /** Cases that only one of them has. */
  onlyBefore: string[];
  onlyAfter: string[];
}

/** What has changed from one report to another, by case and scorer. */
export function compareEvals(before: EvalReport, after: EvalReport): EvalComparison {
  const earlier = new Map(before.cases.map((each) => [each.id, each]));
  const both = after.cases.flatMap((each) => {
    const old = earlier.get(each.id);
    return old === undefined ? [] : [{ old, each }];
  });
  const scorers = Object.keys(after.scores).filter((scorer) => scorer in before.scores);
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
