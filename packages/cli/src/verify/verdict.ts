/** Compares what was accepted and what is recorded with what the ledger saw. */
import { createHash } from 'node:crypto';
import { type Entry, isFinished, type Task } from '@opspawn/sdk';
import type { LedgerLine } from './ledger.ts';
import { expectedOutput } from './ten-steps.ts';

export interface Verdict {
  /** Accepted tasks that are not there, have not come to their end, or have lost a part of their journal. */
  lost: number;
  /** Recorded steps that ran again or were recorded twice. */
  repeated: number;
  /** Effects that must not be repeated and were begun again though nobody had said so. */
  silent: number;
  /** Tasks that still stood where they were when nothing had moved for a minute. */
  stuck: number;
  /** Tasks that ended otherwise than completed with the right output. */
  failed: number;
  /** Tasks that more than one attempt worked on: what the fault hit. */
  hit: number;
  /** Effects in doubt that an operator had to decide. */
  inDoubt: number;
  /** What is behind the figures, one line each, the first ones. */
  findings: string[];
}

export interface JudgedTask {
  taskId: string;
  /** Undefined: it is not there. */
  task: Task | undefined;
  entries: readonly Entry[];
}

const mostFindings = 20;

type Begun = Extract<LedgerLine, { said: 'begun' }>;

export class Judge {
  readonly verdict: Verdict = {
    lost: 0,
    repeated: 0,
    silent: 0,
    stuck: 0,
    failed: 0,
    hit: 0,
    inDoubt: 0,
    findings: [],
  };
  readonly #begun: Map<string, Begun[]>;
  readonly #allowed: Map<string, number>;

  constructor(ledger: readonly LedgerLine[]) {
    const begun = ledger.filter((line): line is Begun => line.said === 'begun');
    this.#begun = Map.groupBy(begun, ({ taskId }) => taskId);
    this.#allowed = new Map();
    for (const line of ledger)
      if (line.said === 'allowed') this.#allowed.set(line.key, (this.#allowed.get(line.key) ?? 0) + 1);
  }

  judge({ taskId, task, entries }: JudgedTask): void {
    if (task === undefined) this.#find('lost', `${taskId} is not there`);
    else if (!isFinished(task.status)) this.#find('stuck', `${taskId} stayed ${task.status}`);
    else this.#judgeEnded(taskId, task, entries);
  }

  #judgeEnded(taskId: string, task: Task, entries: readonly Entry[]): void {
    if (entries.some(({ seq }, index) => seq !== index + 1))
      this.#find('lost', `the journal of ${taskId} has gaps`);
    if (task.status !== 'completed' || task.output !== expectedOutput)
      this.#find('failed', `${taskId} is ${task.status}: ${JSON.stringify(task.error ?? task.output)}`);
    this.verdict.hit += task.attempt > 1 ? 1 : 0;
    this.verdict.inDoubt += entries.filter(({ type }) => type === 'doubt.resolved').length;
    this.#judgeSteps(taskId, entries);
  }

  #judgeSteps(taskId: string, entries: readonly Entry[]): void {
    const recordedBy = new Map<string, number>();
    for (const entry of entries) {
      if (entry.type !== 'step.completed' && entry.type !== 'step.failed') continue;
      const key = `${taskId}:${identityHash(entry)}`;
      if (recordedBy.has(key)) this.#find('repeated', `${entry.name} of ${taskId} was recorded twice`);
      recordedBy.set(key, entry.attempt);
    }
    const begun = this.#begun.get(taskId) ?? [];
    for (const { key, name, attempt } of begun) {
      const recorded = recordedBy.get(key) ?? Number.POSITIVE_INFINITY;
      if (attempt > recorded)
        this.#find('repeated', `${name} of ${taskId}, recorded by ${recorded}, ran again in ${attempt}`);
    }
    const once = Map.groupBy(
      begun.filter(({ isOnce }) => isOnce),
      ({ key }) => key,
    );
    for (const [key, { length }] of once) {
      if (length > 1 + (this.#allowed.get(key) ?? 0))
        this.#find('silent', `the effect ${key} was begun ${length} times`);
    }
  }

  #find(what: 'lost' | 'repeated' | 'silent' | 'stuck' | 'failed', finding: string): void {
    this.verdict[what] += 1;
    if (this.verdict.findings.length < mostFindings) this.verdict.findings.push(`${what}: ${finding}`);
  }
}

export const isClean = ({ lost, repeated, silent, stuck, failed }: Verdict): boolean =>
  lost + repeated + silent + stuck + failed === 0;

/** Part of a step's idempotency key, which is `<taskId>:<hash of [branch, name, count]>`. */
const identityHash = ({ branch = '', name = '', count = 1 }: Entry): string =>
  createHash('sha256')
    .update(JSON.stringify([branch, name, count]))
    .digest('hex')
    .slice(0, 32);
