import type { Json } from '../json.ts';
import type { RunResult } from '../run/run-environment.ts';
import type { EvalCase } from './eval-case.ts';

/** A run of the agent that came to its end, and what it was asked. */
export interface ScoredRun extends RunResult {
  case: EvalCase;
  signal: AbortSignal;
}

/** From 0 (wrong) to 1 (right); true is 1. */
export type Score = number | boolean | { score: number; reason?: string };

/** Says how good a run was. One that throws scores 0, with what it threw as the reason, and so does one that takes 10 minutes. */
export interface Scorer {
  /** Its column in the table, and what thresholds name. */
  readonly name: string;
  /** Cases without `expected` are refused before anything runs. */
  readonly needsExpected?: boolean;
  /** Asked once, before anything runs: rejects for a scorer that could score nothing, and then nothing runs. */
  check?(): void | Promise<void>;
  score(run: ScoredRun): Score | Promise<Score>;
}

/** The output as people read it. */
export const outputText = (output: Json): string =>
  typeof output === 'string' ? output : JSON.stringify(output);
