import { isDeepStrictEqual } from 'node:util';
import type { TaskKind } from '@opspawn/sdk';
import { printable, style } from '../output.ts';
import type { Baseline, CrashOutcome } from './campaign.ts';

/** A finding and where the process was killed for it. */
interface Finding {
  kill: CrashOutcome['kill'];
  what: string;
}

export interface CrashSummary {
  kind: TaskKind;
  name: string;
  /** Writes of the task's owner in the run without a crash. */
  boundaries: number;
  /** Steps that are no model calls. */
  effects: number;
  kills: number;
  /** Kills whose place did not come up: parallel steps are not always written alike. */
  notReached: number;
  lost: Finding[];
  repeated: Finding[];
  silent: Finding[];
  /** How often each step waited for a decision. */
  inDoubt: Record<string, number>;
  outOfTurn: Finding[];
  /** Ended otherwise than without a crash, and does not wait in doubt. */
  differing: Finding[];
  passed: boolean;
}

export function summarize(
  definition: { kind: TaskKind; name: string },
  baseline: Baseline,
  outcomes: readonly CrashOutcome[],
): CrashSummary {
  const judged = outcomes.flatMap(({ kill, verdict, task }) =>
    verdict === undefined ? [] : [{ kill, verdict, task }],
  );
  const findings = (of: (crash: (typeof judged)[number]) => readonly string[]): Finding[] =>
    judged.flatMap((crash) => of(crash).map((what) => ({ kill: crash.kill, what })));
  const doubts = Map.groupBy(
    judged.flatMap(({ verdict }) => verdict.inDoubt),
    doubtName,
  );
  const summary = {
    ...definition,
    boundaries: baseline.boundaries.length,
    effects: baseline.effects.length,
    kills: outcomes.length,
    notReached: outcomes.length - judged.length,
    lost: findings(({ verdict }) => (verdict.lost === undefined ? [] : [verdict.lost])),
    repeated: findings(({ verdict }) => verdict.repeated),
    silent: findings(({ verdict }) => verdict.silent),
    inDoubt: Object.fromEntries([...doubts].map(([step, group]) => [step, group.length])),
    outOfTurn: findings(({ verdict, task }) => (verdict.outOfTurn ? [task?.error?.message ?? ''] : [])),
    differing: findings(({ verdict, task }) => whyDiffering(baseline, verdict.inDoubt.length > 0, task)),
  };
  const failures = [summary.lost, summary.repeated, summary.silent, summary.outOfTurn];
  return { ...summary, passed: failures.every(({ length }) => length === 0) };
}

function whyDiffering(
  { task: expected }: Baseline,
  isInDoubt: boolean,
  task: CrashOutcome['task'],
): string[] {
  if (task === undefined || isInDoubt) return [];
  if (task.status !== expected.status) {
    return [
      `${task.status} instead of ${expected.status}${task.error === undefined ? '' : `: ${task.error.message}`}`,
    ];
  }
  return isDeepStrictEqual(task.output, expected.output) ? [] : ['another output'];
}

/** A tool's step is named `TOOL:TURN:CALL_ID`. */
const doubtName = (label: string): string => label.replace(/:\d+:.*$/, '');

export function summaryText(summary: CrashSummary): string {
  const { kills, notReached, boundaries, effects, inDoubt } = summary;
  const doubts = Object.entries(inDoubt).map(([step, count]) => `${step} ${count}`);
  const doubtCount = Object.values(inDoubt).reduce((sum, count) => sum + count, 0);
  const rows: [string, number, string][] = [
    ['kills', kills, `${boundaries} boundaries before and after, ${effects} effects in the middle`],
    ['not reached', notReached, ''],
    ['lost', summary.lost.length, ''],
    ['recorded steps repeated', summary.repeated.length, ''],
    ['silent second effects', summary.silent.length, ''],
    ['requests out of turn', summary.outOfTurn.length, ''],
    ['effects in doubt', doubtCount, doubts.join(', ')],
    ['other results', summary.differing.length, 'than without a crash'],
  ];
  const table = rows.map(([label, count, detail]) =>
    `${label.padEnd(24)} ${String(count).padStart(5)}  ${detail}`.trimEnd(),
  );
  const { lost, repeated, silent, outOfTurn, differing } = summary;
  const details = Object.entries({ lost, repeated, silent, outOfTurn, differing }).flatMap(
    ([label, findings]) =>
      findings.map(({ kill, what }) => `${label}, killed ${placeOf(kill)}: ${printable(what)}`),
  );
  const verdict = summary.passed ? style('green', 'Held.') : style('red', 'Did not hold.');
  return [...table, ...details, verdict].join('\n');
}

const placeOf = (kill: CrashOutcome['kill']): string =>
  'inStep' in kill
    ? `in the middle of step ${kill.inStep}`
    : `${kill.when} the write of entry ${kill.boundary}`;
