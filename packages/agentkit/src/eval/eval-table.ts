import { checkComparison, checkReport, type EvalComparison, type EvalReport } from './eval-report.ts';
import { outputText } from './scorer.ts';

const longestOutput = 60;

/** The report for people: a line for each case, and the means. Throws `invalid_argument` for what is no report. */
export function evalTable(report: EvalReport, comparison?: EvalComparison): string {
  checkReport('The report', report);
  if (comparison !== undefined) checkComparison(comparison);
  const scorers = Object.keys(report.scores);
  const rows = [
    ['case', ...scorers, 'output'],
    ...report.cases.map(({ id, scores, output, error }) => [
      oneLine(id),
      ...scorers.map((scorer) => shownScore(scores[scorer] ?? 0)),
      error === undefined ? oneLine(outputText(output ?? null)) : oneLine(`${error.code}: ${error.message}`),
    ]),
    ['mean', ...scorers.map((scorer) => shownScore(report.scores[scorer] ?? 0)), summary(report)],
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  '),
  );
  return [...lines, ...(comparison === undefined ? [] : comparisonLines(comparison))].join('\n');
}

function summary({ cases, failed }: EvalReport): string {
  const spent = cases.flatMap(({ usage, spent: all }) => all ?? (usage === undefined ? [] : ownOf(usage)));
  const tokens = spent.reduce((sum, each) => sum + (each.tokens ?? 0), 0);
  const costMicroUsd = spent.reduce((sum, each) => sum + (each.costMicroUsd ?? Number.NaN), 0);
  const cost = Number.isNaN(costMicroUsd) ? '' : `, $${(costMicroUsd / 1_000_000).toFixed(4)}`;
  return `${cases.length} cases, ${failed} failed, ${tokens} tokens${cost}`;
}

/** What reports of older versions hold. */
const ownOf = ({ inputTokens, outputTokens, costMicroUsd }: EvalReport['usage']) => ({
  tokens: inputTokens + outputTokens,
  costMicroUsd,
});

function comparisonLines({ scores, worse, better, onlyBefore, onlyAfter }: EvalComparison): string[] {
  const change = ({ id, scorer, before, after }: EvalComparison['worse'][number]): string =>
    `  ${oneLine(id)}  ${scorer} ${shownScore(before)} -> ${shownScore(after)}`;
  return [
    '',
    ...Object.entries(scores).map(
      ([scorer, { before, after }]) => `${scorer}: ${shownScore(before)} before, ${shownScore(after)} now`,
    ),
    ...(worse.length > 0 ? ['worse:', ...worse.map(change)] : []),
    ...(better.length > 0 ? ['better:', ...better.map(change)] : []),
    ...(onlyBefore.length > 0 ? [`gone: ${onlyBefore.map(oneLine).join(', ')}`] : []),
    ...(onlyAfter.length > 0 ? [`new: ${onlyAfter.map(oneLine).join(', ')}`] : []),
  ];
}

const shownScore = (score: number): string => score.toFixed(3).replace(/\.?0+$/, '');

function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  return line.length > longestOutput ? `${line.slice(0, longestOutput - 1)}…` : line;
}
