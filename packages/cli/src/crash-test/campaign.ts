/** All crashes of one crash test: which there are, and what each came to. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { getCompileCacheDir } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorCodes, moduleUrl, OpspawnError } from '@opspawn/agentkit';
import { type Engine, localPrincipal, openNode } from '@opspawn/ops-core';
import type { CreateTask, Entry, Task } from '@opspawn/sdk';
import { settingsFrom } from '../embedded.ts';
import type { Job } from './child.ts';
import { type LedgerLine, readLedger } from './ledger.ts';
import { judge, type Verdict } from './verdict.ts';

export interface CampaignOptions {
  configPath: string;
  request: CreateTask;
  signals: Job['signals'];
  /** Test only so many boundaries, evenly spread. */
  maxBoundaries?: number;
  /** For one process. */
  timeoutMs: number;
  /** Crashes side by side. */
  concurrency: number;
  signal: AbortSignal;
  onProgress: (done: number, total: number) => void;
}

/** The run without a crash. */
export interface Baseline {
  task: Task;
  entries: readonly Entry[];
  /** What each write of the task's owner came to. */
  boundaries: readonly number[];
  /** Positions, from 1, of the steps that are no model calls among those that ran. */
  effects: readonly number[];
}

export interface CrashOutcome {
  kill: NonNullable<Job['kill']>;
  /** Absent: the run ended before it came there. */
  verdict?: Verdict;
  task?: Task;
}

interface Place {
  folder: string;
  dataDir: string;
}

/** Runs the task once without a crash. Throws what it failed with, and `timeout`. */
export async function runBaseline(options: CampaignOptions): Promise<Baseline> {
  return await inTemporaryFolder(async (place) => {
    const ledger = join(place.folder, 'ledger');
    const exit = await runChild({ ...jobOf(options, place), ledger }, options);
    const found = await readTask(place.dataDir, acceptedId(readLedger(ledger)));
    if (exit.kind !== 'done' || found === undefined) throw baselineFailed(exit);
    const lines = readLedger(ledger);
    return { ...found, boundaries: boundariesOf(lines), effects: effectsOf(lines) };
  });
}

export function killsOf(
  { boundaries, effects }: Baseline,
  maxBoundaries = Number.POSITIVE_INFINITY,
): CrashOutcome['kill'][] {
  const chosen = spread(boundaries, maxBoundaries).flatMap((boundary) => [
    { boundary, when: 'before' as const },
    { boundary, when: 'after' as const },
  ]);
  return [...chosen, ...spread(effects, maxBoundaries).map((inStep) => ({ inStep }))];
}

/** All of them, or `most`, evenly spread. */
function spread(all: readonly number[], most: number): number[] {
  const count = Math.min(all.length, most);
  const chosen = new Set(
    Array.from({ length: count }, (_, index) => Math.floor((index * all.length) / count)),
  );
  return all.filter((_, index) => chosen.has(index));
}

export async function runCrashes(
  kills: readonly CrashOutcome['kill'][],
  options: CampaignOptions,
): Promise<CrashOutcome[]> {
  const outcomes: CrashOutcome[] = [];
  const waiting = kills.entries();
  const lane = async () => {
    for (const [index, kill] of waiting) {
      options.signal.throwIfAborted();
      outcomes[index] = await runCrash(kill, options);
      options.onProgress(outcomes.filter((outcome) => outcome !== undefined).length, kills.length);
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, lane));
  return outcomes;
}

async function runCrash(kill: CrashOutcome['kill'], options: CampaignOptions): Promise<CrashOutcome> {
  return await inTemporaryFolder(async (place) => {
    const killedPath = join(place.folder, 'killed');
    const resumedPath = join(place.folder, 'resumed');
    const exit = await runChild({ ...jobOf(options, place), ledger: killedPath, kill }, options);
    if (exit.kind === 'done') return { kill };
    const killedLedger = readLedger(killedPath);
    const acceptedTaskId = acceptedId(killedLedger);
    const before = await readTask(place.dataDir, acceptedTaskId);
    await runChild({ ...jobOf(options, place), ledger: resumedPath }, options);
    const resumedLedger = readLedger(resumedPath);
    const after = await readTask(place.dataDir, acceptedId(resumedLedger) ?? acceptedTaskId);
    if (after === undefined) return { kill, verdict: notThere };
    const evidence = {
      acceptedTaskId,
      before: before?.entries ?? [],
      after: after.entries,
      task: after.task,
      children: after.children,
    };
    return { kill, task: after.task, verdict: judge({ ...evidence, killedLedger, resumedLedger }) };
  });
}

const notThere: Verdict = {
  lost: 'the resumed process found no task and accepted none',
  repeated: [],
  silent: [],
  inDoubt: [],
  outOfTurn: false,
};

const jobOf = ({ configPath, request, signals, timeoutMs }: CampaignOptions, { dataDir }: Place) => ({
  configPath,
  dataDir,
  request,
  signals,
  horizonMs: timeoutMs / 2,
});

async function inTemporaryFolder<T>(use: (place: Place) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'opspawn-crash-'));
  try {
    return await use({ folder, dataDir: join(folder, 'data') });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type ChildExit =
  | { kind: 'done' | 'killed' | 'timed out' }
  | { kind: 'failed'; code: number | null; stderr: string };

/** Runs one process to its end; kills it when it takes too long or the crash test is stopped. */
function runChild(job: Job, { timeoutMs, signal }: CampaignOptions): Promise<ChildExit> {
  signal.throwIfAborted();
  const deadline = AbortSignal.timeout(timeoutMs);
  const child = spawn(
    process.execPath,
    [moduleUrl('./child', import.meta.url).pathname, JSON.stringify(job)],
    {
      env: { ...process.env, NODE_COMPILE_CACHE: getCompileCacheDir() ?? '' },
      stdio: ['ignore', 'ignore', 'pipe'],
      signal: AbortSignal.any([signal, deadline]),
      killSignal: 'SIGKILL',
    },
  );
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4_000);
  });
  const { promise, resolve, reject } = Promise.withResolvers<ChildExit>();
  child.on('error', (error) => {
    if (error.name !== 'AbortError') reject(error);
  });
  child.on('close', (code, endedBy) => {
    if (signal.aborted) reject(signal.reason);
    else if (deadline.aborted) resolve({ kind: 'timed out' });
    else if (endedBy === 'SIGKILL') resolve({ kind: 'killed' });
    else resolve(code === 0 ? { kind: 'done' } : { kind: 'failed', code, stderr });
  });
  return promise;
}

interface Read {
  task: Task;
  entries: Entry[];
  /** By the id of the task. */
  children: Map<string, Entry[]>;
}

/** The task with its whole journal, and those of the tasks below it, as they stand in the data folder. */
async function readTask(dataDir: string, taskId: string | undefined): Promise<Read | undefined> {
  if (taskId === undefined) return undefined;
  await using node = await openNode({ settings: settingsFrom({ data: dataDir, logLevel: 'silent' }) });
  const { engine } = node;
  const children = new Map<string, Entry[]>();
  const parents = [taskId];
  for (const parentId of parents) {
    const { items } = await engine.list(localPrincipal, { parentId, limit: 1_000 });
    for (const { id } of items) {
      children.set(id, await readJournal(engine, id));
      parents.push(id);
    }
  }
  return {
    task: await engine.get(localPrincipal, taskId),
    entries: await readJournal(engine, taskId),
    children,
  };
}

async function readJournal(engine: Engine, taskId: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page: { items: Entry[]; nextAfter?: number } = await engine.journal(localPrincipal, taskId, {
      after,
      limit: 1_000,
    });
    entries.push(...page.items);
    after = page.nextAfter;
  }
  return entries;
}

const acceptedId = (lines: readonly LedgerLine[]): string | undefined =>
  lines.find((line) => line.said === 'accepted')?.taskId;

const boundariesOf = (lines: readonly LedgerLine[]): readonly number[] =>
  lines.find((line) => line.said === 'boundaries')?.boundaries ?? [];

const effectsOf = (lines: readonly LedgerLine[]): number[] =>
  lines
    .filter((line) => line.said === 'begun')
    .flatMap(({ kind }, index) => (kind === 'llm' ? [] : [index + 1]));

function baselineFailed(exit: ChildExit): OpspawnError {
  if (exit.kind === 'timed out') {
    return new OpspawnError('timeout', 'The run without a crash took too long', {
      details: { hint: 'Give it more with --timeout SECONDS.' },
    });
  }
  if (exit.kind === 'failed' && exit.code === errorCodes.invalid_argument.exit)
    return new OpspawnError('invalid_argument', exit.stderr.trim());
  const why = exit.kind === 'failed' ? `: ${exit.stderr.trim()}` : '';
  return new OpspawnError('step_failed', `The run without a crash did not end${why}`);
}
